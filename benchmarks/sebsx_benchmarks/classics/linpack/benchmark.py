"""Driver's side of linpack: puts the solution into the equations, in exact integers without numpy."""

from __future__ import annotations

import hashlib
import operator

_LARGEST_RESIDUAL = 16.0  # what HPL takes for passed: https://www.netlib.org/benchmark/hpl/

_right = set()  # (seed, solution) of systems that were found solved


def payload(parameters, rng, storage):
    """Return the seed of the matrix, and the right side that belongs to a solution of whole numbers."""
    n, seed = parameters["n"], rng.randbytes(16).hex()
    solution = [rng.randint(-100, 100) for _ in range(n)]
    return {"n": n, "seed": seed, "right_side": list(_products(n, seed, solution))}


def check(payload, output, storage):
    """Return None if the solution, rounded to whole numbers, solves every equation, and the residual is small."""
    n, solution = payload["n"], output["solution"]
    if not 0 <= output["residual"] < _LARGEST_RESIDUAL:  # written so that NaN is wrong too
        return f"residual is {output['residual']!r}, not from 0 to {_LARGEST_RESIDUAL:g}"
    if len(solution) != n:
        return f"solution has {len(solution)} values, expected {n}"
    known = (payload["seed"], tuple(solution))
    if known in _right:
        return None
    for number, found in enumerate(_products(n, payload["seed"], solution)):
        if found != payload["right_side"][number]:
            return f"equation {number} gives {found!r}, expected {payload['right_side'][number]!r}"
    _right.add(known)
    return None


def _products(n, seed, vector):
    """Yield the matrix times a vector, row by row; its elements are the bytes of SHAKE-256, signed."""
    elements = memoryview(hashlib.shake_256(seed.encode()).digest(n * n)).cast("b")
    for start in range(0, n * n, n):
        yield sum(map(operator.mul, elements[start : start + n], vector))
