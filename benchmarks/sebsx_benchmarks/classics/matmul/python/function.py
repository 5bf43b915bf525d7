"""Multiply two square matrices."""

from __future__ import annotations

import hashlib

import numpy as np


def draw(label, seed, *shape):
    """Return an array of whole numbers from -128 to 127, as floating point, drawn from label and seed by SHAKE-256."""
    count = shape[0] * shape[-1] if len(shape) > 1 else shape[0]
    data = hashlib.shake_256((label + " " + seed).encode()).digest(count)
    return np.frombuffer(data, dtype=np.int8).reshape(shape).astype(np.float64)


def handler(event, context):
    """Return some elements of the product C, and u C v for two vectors u and v, as exact integers."""
    n, seed = event["n"], event["seed"]
    with context.phase("generate"):
        left, right = draw("left", seed, n, n), draw("right", seed, n, n)
    with context.phase("compute"):
        product = left @ right
    with context.phase("checksum"):
        per_row = product @ draw("v", seed, n)  # below n^2 * 2^21, hence exact
        checksum = sum(int(u) * int(value) for u, value in zip(draw("u", seed, n), per_row))  # noqa: B905  # 3.9
    elements = product[event["rows"], event["columns"]]
    return {"n": len(product), "elements": [int(element) for element in elements], "checksum": checksum}
