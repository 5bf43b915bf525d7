"""The inputs of an inference: the same numbers wherever they are made, by integer arithmetic alone."""

from __future__ import annotations

import numpy as np

_MULTIPLIER = 2654435761  # Knuth's multiplicative hash
_WORDS = 100  # token numbers lie below, so that any vocabulary has them


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
        hashed = np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(_MULTIPLIER) % np.uint64(2**32)
        if each["kind"].startswith("int"):
            values = hashed >> np.uint64(8)
            found[each["name"]] = (values % np.uint64(_WORDS)).astype(each["kind"]).reshape(shape)
        else:
            found[each["name"]] = (hashed / 2.0**31 - 1).astype(each["kind"]).reshape(shape)
    return found


def sample(output, count=32):
    """Return a few values of the first item of an output, spread over all of it, and the largest magnitude there."""
    first = np.asarray(output, dtype=np.float64)[0].ravel()
    places = np.linspace(0, len(first) - 1, min(count, len(first))).astype(int)
    return [float(value) for value in first[places]], float(np.abs(first).max())
