"""Multiply two square matrices."""

from __future__ import annotations

import hashlib
import operator

import numpy as np


def draw(label, seed, *shape):
    """Return an array of whole numbers from -128 to 127, as floating point, drawn from label and seed by SHAKE-256."""
    count = shape[0] * shape[-1] if len(shape) > 1 else shape[0]
    data = hashlib.shake_256((label + " " + seed).encode()).digest(count)
    return np.frombuffer(data, dtype=np.int8).reshape(shape).astype(np.float64)


def handler(event, context):
    """Return some elements of the product C, and u C v for two vectors u and v, as exact integers.

    The product is computed `products` times; those count that are the same as the last.
    """
    n, seed = event["n"], event["seed"]
    with context.phase("generate"):
        left, right = draw("left", seed, n, n), draw("right", seed, n, n)
    made = []
    for _ in range(event["products"]):
        with context.phase("compute"):
            product = left @ right
        made.append(float(product.sum()))
    with context.phase("checksum"):
        per_row = product @ draw("v", seed, n)  # below n^2 * 2^21, hence exact
        checksum = sum(map(operator.mul, map(int, draw("u", seed, n).tolist()), map(int, per_row.tolist())))
    elements = product[event["rows"], event["columns"]]
    return {
        "n": len(product),
        "products": made.count(float(product.sum())),
        "elements": [int(element) for element in elements],
        "checksum": checksum,
    }
