"""The inputs of an inference: the same numbers wherever they are made, by integer arithmetic alone."""

from __future__ import annotations

import numpy as np

_MULTIPLIER = 2654435761  # Knuth's multiplicative hash
_WORDS = 100  # token numbers lie below, so that any vocabulary has them
_WORD_BYTES = 4  # of a word of a text, with the space behind it


def made(inputs, batch, tokens):
    """Return the inputs of one inference by name.

    Args:
        inputs: Of the model: dictionaries of `name`, `kind` (numpy's word) and `shape`; of the dimensions that are
            words the first is the batch, and every other is `tokens` long.
        batch: Items.
        tokens: Length of a text.
    """
    found = {}
    for each in inputs:
        shape = [size if isinstance(size, int) else tokens for size in each["shape"]]
        if each["shape"] and not isinstance(each["shape"][0], int):
            shape[0] = batch
        hashed = _hashed(int(np.prod(shape)))
        if each["kind"].startswith("int"):
            values = hashed >> np.uint64(8)
            found[each["name"]] = (values % np.uint64(_WORDS)).astype(each["kind"]).reshape(shape)
        else:
            found[each["name"]] = (hashed / 2.0**31 - 1).astype(each["kind"]).reshape(shape)
    return found


def text(size):
    """Return a text of so many bytes: words of four bytes, whose numbers are those that `made` gives a text."""
    count = -(-size // _WORD_BYTES)
    numbers = _hashed(count) >> np.uint64(8)
    return "".join(f"w{int(number) % _WORDS:02d} " for number in numbers)[:size]


def windows(words, inputs, batch, tokens):
    """Yield the inputs of one inference after the other, `batch` windows of a text each, the last filled up with 0.

    Args:
        words: The text.
        inputs: Of the model; each is given the same numbers.
        batch: Windows of one inference.
        tokens: Words of a window.
    """
    numbers = np.array([int(word[1:] or 0) for word in words.split()] or [0], dtype=np.int64)
    held = batch * tokens
    filled = np.zeros(-(-len(numbers) // held) * held, dtype=np.int64)
    filled[: len(numbers)] = numbers
    for group in filled.reshape(-1, batch, tokens):
        yield {each["name"]: group.astype(each["kind"]) for each in inputs}


def sample(output, count=32):
    """Return a few values of the first item of an output, spread over all of it, and the largest magnitude there."""
    first = np.asarray(output, dtype=np.float64)[0].ravel()
    places = np.linspace(0, len(first) - 1, min(count, len(first))).astype(int)
    return [float(value) for value in first[places]], float(np.abs(first).max())


def _hashed(count):
    """Return noise of 32 bits, the same everywhere."""
    return np.arange(count, dtype=np.uint64) * np.uint64(_MULTIPLIER) % np.uint64(2**32)
