"""Driver's side of rnn-generation: generates some of the names again, by a forward pass in plain Python."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import operator

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LONGEST = 20
_SAMPLES = 6
_MASK = 0xFFFFFFFF


def payload(parameters, rng, storage):
    """Return number of names, size of the network, and the seeds of its weights and of the names."""
    return {
        "names": parameters["names"],
        "hidden": parameters["hidden"],
        "weights_seed": rng.randbytes(16).hex(),
        "names_seed": rng.randrange(1, 2**32),
    }


def check(payload, output, storage):
    """Return None if all names have the right form, and those generated again are the same."""
    names = output["names"]
    if len(names) != payload["names"]:
        return f"there are {len(names)} names, expected {payload['names']}"
    for number, name in enumerate(names):
        if not 1 <= len(name) <= _LONGEST or name.strip(_LETTERS):
            return f"name {number} is {name!r}, not 1 to {_LONGEST} letters"
    if output["characters"] != sum(map(len, names)):
        return f"characters is {output['characters']!r}, expected {sum(map(len, names))}"
    expected = _expected(payload["names"], payload["hidden"], payload["weights_seed"], payload["names_seed"])
    for number, name in expected.items():
        if names[number] != name:
            return f"name {number} is {names[number]!r}, expected {name!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(count, hidden, weights_seed, names_seed):
    """Return names by number: the first, the last, and some between them."""
    network = _Network(hidden, weights_seed)
    return {
        number: network.name(names_seed + number)
        for number in sorted({index * (count - 1) // (_SAMPLES - 1) for index in range(_SAMPLES)})
    }


class _Network:
    """h' = tanh(E[c] + W h), and the logits V h', with whole numbers from -128 to 127 as weights, scaled."""

    def __init__(self, hidden, seed):
        self._hidden = hidden
        symbols = len(_LETTERS) + 1
        self._embedding = self._rows("embedding", seed, symbols, 64)
        self._recurrent = self._rows("recurrent", seed, hidden, 64 * math.sqrt(hidden))
        self._readout = self._rows("readout", seed, symbols, 32 * math.sqrt(hidden))

    def _rows(self, label, seed, count, scale):
        data = hashlib.shake_256(f"{label} {seed}".encode()).digest(count * self._hidden)
        values = [value / scale for value in memoryview(data).cast("b")]
        return [values[start : start + self._hidden] for start in range(0, len(values), self._hidden)]

    def name(self, seed):
        """Return the name that a seed stands for."""
        numbers = _xorshift32((seed * 2654435761 & _MASK) or 1)
        state, symbol, letters = [0.0] * self._hidden, len(_LETTERS), ""
        while len(letters) < _LONGEST:
            state = [
                math.tanh(entry + sum(map(operator.mul, row, state)))
                for entry, row in zip(self._embedding[symbol], self._recurrent, strict=True)
            ]
            logits = [sum(map(operator.mul, row, state)) for row in self._readout]
            symbol = self._drawn(logits if letters else logits[:-1], next(numbers) / 2**32)
            if symbol == len(_LETTERS):
                break
            letters += _LETTERS[symbol]
        return letters

    @staticmethod
    def _drawn(logits, uniform):
        totals = list(itertools.accumulate(math.exp(logit - max(logits)) for logit in logits))
        return sum(total <= uniform * totals[-1] for total in totals[:-1])


def _xorshift32(state):
    """Yield xorshift32 numbers without end (Marsaglia 2003, shifts 13, 17, 5)."""
    while True:
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state
