"""Solve a dense system of linear equations."""

from __future__ import annotations

import hashlib

import numpy as np


def residual_of(matrix, solution, right_side):
    """Return |A x - b| / (eps (|A| |x| + |b|) n) in the largest norm, the figure by which HPL judges a solution."""
    difference = np.abs(matrix @ solution - right_side).max()
    scale = np.abs(matrix).sum(axis=1).max() * np.abs(solution).max() + np.abs(right_side).max()
    return difference / (np.finfo(float).eps * scale * len(solution)) if scale else difference


def handler(event, context):
    """Return the solution rounded to whole numbers, and the scaled residual of the one computed."""
    n = event["n"]
    with context.phase("generate"):
        data = hashlib.shake_256(event["seed"].encode()).digest(n * n)
        matrix = np.frombuffer(data, dtype=np.int8).reshape(n, n).astype(np.float64)
        right_side = np.array(event["right_side"], dtype=np.float64)
    with context.phase("compute"):
        solution = np.linalg.solve(matrix, right_side)
    with context.phase("residual"):
        residual = float(residual_of(matrix, solution, right_side))
    return {"solution": [int(value) for value in np.rint(solution)], "residual": residual}
