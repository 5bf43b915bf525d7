"""Means against each other: exact where it can be worked out, and nominal for costs that are far from normal."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from sebsx.stats import TooFewSamplesError, UnusableSamplesError, compare_means

Draw = Callable[[np.random.Generator, int], np.ndarray]


def cold_in_ten(rng: np.random.Generator, n: int) -> np.ndarray:
    """One cost in ten is a cold start's, eight times as high."""
    return rng.lognormal(0, 0.05, n) * np.where(rng.random(n) < 0.1, 8.0, 1.0)


def log_normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.lognormal(0, 0.8, n)


def sandboxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Means of five calls of sandboxes that differ by 5 %."""
    return (np.exp(rng.normal(0, 0.05, (n, 1)) + rng.normal(0, 0.1, (n, 5)))).mean(axis=1)


SHAPES: tuple[Draw, ...] = (cold_in_ten, log_normal, sandboxes)


def wrong(shape: Draw, n: int, experiments: int, *, pairs: bool, factor: float = 1.0) -> tuple[float, float]:
    """Return how often the same is called different, and how often the interval misses the true ratio."""
    rng = np.random.default_rng(20261130)
    different = missed = 0
    for _ in range(experiments):
        base, new = shape(rng, n), shape(rng, n)
        if pairs:  # what a round shares
            drift = rng.lognormal(0, 0.2, n)
            base, new = base * drift, new * drift
        found = compare_means(base, factor * new, pairs=pairs)
        different += found.p <= 0.05
        missed += not found.low <= factor <= found.high
    return different / experiments, missed / experiments


def most(n: int) -> float:
    """Return the share that a level of 5 % does not exceed by chance: three standard errors above."""
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_level_is_nominal_from_ten_observations_on(shape: Draw, pairs: bool) -> None:
    different, missed = wrong(shape, 10, 200, pairs=pairs)
    assert different <= most(200)
    assert missed <= most(200)
    assert wrong(shape, 10, 60, pairs=pairs, factor=1.5)[1] <= most(60)


def test_p_of_pairs_that_all_rise_is_that_of_two_arrangements() -> None:
    base = np.arange(1.0, 11.0)
    assert compare_means(base, base + 0.1, pairs=True).p == 2 / 2**10


def test_proportional_pairs_leave_no_doubt_of_the_ratio() -> None:
    base = np.random.default_rng(1).lognormal(0, 0.5, 50)
    found = compare_means(base, 3 * base, pairs=True)
    assert (found.ratio, found.low, found.high) == (pytest.approx(3), pytest.approx(3), pytest.approx(3))
    assert found.p < 0.001


def test_equal_constants_are_equal_and_others_are_not() -> None:
    same = compare_means(np.ones(12), np.ones(12), pairs=False)
    assert (same.p, same.ratio) == (1.0, 1.0)
    other = compare_means(np.ones(12), 1.1 * np.ones(12), pairs=False)
    assert other.p < 0.001
    assert (other.low, other.high) == (pytest.approx(1.1), pytest.approx(1.1))


@pytest.mark.parametrize("pairs", [False, True])
def test_order_says_nothing(pairs: bool) -> None:
    rng = np.random.default_rng(3)
    base, new, order = rng.lognormal(0, 0.5, 30), rng.lognormal(0, 0.5, 30), rng.permutation(30)
    found, again = (compare_means(*sides, pairs=pairs) for sides in ((base, new), (base[order], new[order])))
    assert (found.low, found.high, found.p) == pytest.approx((again.low, again.high, again.p))


@pytest.mark.parametrize("pairs", [False, True])
def test_many_observations_go_by_variance_and_agree_with_the_arrangements(pairs: bool) -> None:
    rng = np.random.default_rng(4)
    base, new = rng.lognormal(0, 0.3, 190), rng.lognormal(0.05, 0.3, 190)
    few = compare_means(base, new, pairs=pairs)
    many = compare_means(np.tile(base, 2), np.tile(new, 2), pairs=pairs)
    assert math.log(many.high / many.low) == pytest.approx(math.log(few.high / few.low) / math.sqrt(2), rel=0.08)


def test_no_ratio_of_a_mean_of_nothing() -> None:
    found = compare_means(np.zeros(12), np.arange(12.0), pairs=False)
    assert found.by_shift
    assert found.shift_low > 0
    assert found.p < 0.01


def test_difference_of_ten_percent_is_found_where_costs_vary_little() -> None:
    rng = np.random.default_rng(5)
    found = compare_means(rng.lognormal(0, 0.05, 12), 1.1 * rng.lognormal(0, 0.05, 12), pairs=True)
    assert found.p <= 0.05
    assert found.low > 1


def test_few_or_unpaired_are_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        compare_means(np.ones(9), np.ones(9), pairs=False)
    with pytest.raises(UnusableSamplesError):
        compare_means(np.ones(10), np.ones(11), pairs=True)
    with pytest.raises(UnusableSamplesError):
        compare_means([*[1.0] * 9, math.inf], np.ones(10), pairs=False)
