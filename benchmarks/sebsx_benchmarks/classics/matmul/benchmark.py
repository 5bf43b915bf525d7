"""Driver's side of matmul: Freivalds' test, and some elements one by one, in exact integers without numpy.

Freivalds (1977): that C = A B is seen by comparing u C v with (u A) (B v), which takes n^2 steps instead of n^3. All
elements are whole numbers from -128 to 127, so that floating point is exact and any error shows.
"""

from __future__ import annotations

import functools
import hashlib
import json
import operator

_SAMPLES = 16


def payload(parameters, rng, storage):
    """Return the size, how often it is multiplied, the seed of the matrices, and the places of elements to return."""
    n = parameters["n"]
    return {
        "n": n,
        "products": parameters["products"],
        "seed": rng.randbytes(16).hex(),
        "rows": [rng.randrange(n) for _ in range(_SAMPLES)],
        "columns": [rng.randrange(n) for _ in range(_SAMPLES)],
    }


def check(payload, output, storage):
    """Return None if the sampled elements and the sum over the whole product are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=4)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    n, seed = payload["n"], payload["seed"]
    left, right = _bytes("left", seed, n * n), _bytes("right", seed, n * n)
    u, v = list(_bytes("u", seed, n)), list(_bytes("v", seed, n))
    right_v = [_dot(right[start : start + n], v) for start in range(0, n * n, n)]
    left_right_v = [_dot(left[start : start + n], right_v) for start in range(0, n * n, n)]
    return {
        "n": n,
        "products": payload["products"],
        "checksum": _dot(u, left_right_v),
        "elements": [
            _dot(left[row * n : (row + 1) * n], right[column::n])
            for row, column in zip(payload["rows"], payload["columns"], strict=True)
        ],
    }


def _bytes(label, seed, count):
    """Return signed bytes drawn from label and seed."""
    return memoryview(hashlib.shake_256(f"{label} {seed}".encode()).digest(count)).cast("b")


def _dot(left, right):
    return sum(map(operator.mul, left, right))
