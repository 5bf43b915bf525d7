"""Generate names with a recurrent network whose weights are drawn from a seed."""

from __future__ import annotations

import hashlib
import math

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz"
END = len(LETTERS)  # the symbol before the first letter and after the last
LONGEST = 20


def draw(label, seed, rows, columns, scale):
    """Return a matrix of whole numbers from -128 to 127 divided by `scale`, drawn from label and seed by SHAKE-256."""
    data = hashlib.shake_256((label + " " + seed).encode()).digest(rows * columns)
    return np.frombuffer(data, dtype=np.int8).reshape(rows, columns) / scale


def uniforms(seed, count):
    """Return `count` numbers from 0 to 1 by xorshift32 with shifts 13, 17, 5, which every language can draw."""
    numbers = []
    x = (seed * 2654435761 & 0xFFFFFFFF) or 1
    for _ in range(count):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        numbers.append(x / 4294967296)
    return numbers


class Network:
    """An Elman network: h' = tanh(E[c] + W h), and the softmax of V h' is the distribution of the next symbol."""

    def __init__(self, hidden, seed):
        self._start = np.zeros(hidden)
        self._embedding = draw("embedding", seed, END + 1, hidden, 64)
        self._recurrent = draw("recurrent", seed, hidden, hidden, 64 * math.sqrt(hidden))
        self._readout = draw("readout", seed, END + 1, hidden, 32 * math.sqrt(hidden))

    def generate(self, seed):
        """Return a name of 1 to 20 letters."""
        state, symbol, letters = self._start, END, []
        for uniform in uniforms(seed, LONGEST):
            state = np.tanh(self._embedding[symbol] + self._recurrent @ state)
            logits = self._readout @ state
            if not letters:
                logits = logits[:END]  # no name is empty
            totals = np.cumsum(np.exp(logits - logits.max()))
            symbol = int(np.searchsorted(totals[:-1], uniform * totals[-1], side="right"))
            if symbol == END:
                break
            letters.append(LETTERS[symbol])
        return "".join(letters)


def handler(event, context):
    """Return the names and how many characters they have together."""
    with context.phase("model_load"):
        network = Network(event["hidden"], event["weights_seed"])
    with context.phase("compute"):
        names = [network.generate(event["names_seed"] + number) for number in range(event["names"])]
    return {"names": names, "characters": sum(map(len, names))}
