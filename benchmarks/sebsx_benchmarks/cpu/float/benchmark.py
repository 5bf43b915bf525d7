"""Driver's side of float: the three sums in closed form."""

from __future__ import annotations

import math


def payload(parameters, rng, storage):
    """Return how many numbers there are and the first of them, large enough for the formula of the roots."""
    return {"operations": parameters["operations"], "start": rng.randrange(1000, 2000)}


def check(payload, output, storage):
    """Return None if the sums are right, but for what adding many floats in turn may lose."""
    first, last = payload["start"], payload["start"] + payload["operations"] - 1
    for name, expected, tolerance in (
        ("sines", _sum_of_waves(math.sin, first, last), {"rel_tol": 0.0, "abs_tol": 1e-5}),
        ("cosines", _sum_of_waves(math.cos, first, last), {"rel_tol": 0.0, "abs_tol": 1e-5}),
        ("roots", _sum_of_roots(first, last), {"rel_tol": 1e-9}),
    ):
        if not math.isclose(output[name], expected, **tolerance):
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


def _sum_of_waves(wave, first, last):
    """Return the sum of sine or cosine over consecutive integers (Lagrange's trigonometric identities)."""
    return math.sin((last - first + 1) / 2) / math.sin(0.5) * wave((first + last) / 2)


def _sum_of_roots(first, last):
    """Return the sum of square roots of consecutive integers (Euler-Maclaurin; right to 1e-12 from 1000 on)."""

    def part(x):
        return 2 / 3 * x * math.sqrt(x) + 1 / (24 * math.sqrt(x))

    return part(last) - part(first) + (math.sqrt(first) + math.sqrt(last)) / 2
