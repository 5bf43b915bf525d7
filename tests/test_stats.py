from __future__ import annotations

import math
import random
from math import comb

import pytest

from sebsx.stats import (
    TooFewSamplesError,
    cv,
    ecdf,
    median,
    median_ranks,
    needed_samples,
    order_statistic_interval,
    precise_enough,
    quantile,
    ratio_interval,
    relative_half_width,
    tail_quantile,
    tail_samples,
)


def exact_coverage(n: int, low: int, high: int) -> float:
    return sum(comb(n, below) for below in range(low, high)) / 2**n


# Le Boudec, Performance Evaluation (2010), ranks for the median at 95 %.
@pytest.mark.parametrize(
    ("n", "low", "high", "coverage"),
    [(21, 6, 16, 0.9734), (50, 18, 33, 0.9672), (100, 40, 61, 0.9648), (200, 86, 115, 0.9600)],
)
def test_interval_has_the_published_ranks_and_coverage(n: int, low: int, high: int, coverage: float) -> None:
    values = list(range(1, n + 1))
    random.Random(1).shuffle(values)
    interval = order_statistic_interval(values)
    assert (interval.low, interval.high, interval.n) == (low, high, n)
    assert round(interval.coverage, 4) == coverage


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [8, 9, 10, 33, 64, 333, 1000])
def test_ranks_reach_the_confidence_and_narrower_ones_would_not(n: int, confidence: float) -> None:
    low, high, coverage = median_ranks(n, confidence)
    assert coverage == pytest.approx(exact_coverage(n, low, high))
    assert coverage >= confidence
    assert exact_coverage(n, low + 1, high - 1) < confidence


@pytest.mark.parametrize("n", [1001, 4000])
def test_ranks_of_a_large_sample_reach_the_confidence(n: int) -> None:
    low, high, coverage = median_ranks(n)
    assert high == n + 1 - low
    assert exact_coverage(n, low, high) >= 0.95
    assert exact_coverage(n, low + 2, high - 2) < 0.95
    assert coverage == pytest.approx(exact_coverage(n, low, high), abs=1e-4)


@pytest.mark.parametrize(("n", "confidence", "needed"), [(0, 0.95, 6), (5, 0.95, 6), (7, 0.99, 8)])
def test_interval_of_too_few_is_refused_with_the_number_needed(n: int, confidence: float, needed: int) -> None:
    with pytest.raises(TooFewSamplesError, match=f"at least {needed} samples and there are {n}") as caught:
        order_statistic_interval([1.0] * n, confidence)
    assert caught.value.needed == needed


@pytest.mark.parametrize(("n", "confidence"), [(6, 0.95), (8, 0.99)])
def test_smallest_sample_gives_its_extremes(n: int, confidence: float) -> None:
    interval = order_statistic_interval([float(value) for value in range(n)], confidence)
    assert (interval.low, interval.high) == (0.0, n - 1.0)


# Type 7: position (n - 1) q; for 1..4 and q = .25 it is .75, between 1 and 2.
@pytest.mark.parametrize(("q", "expected"), [(0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.9, 3.7), (1, 4.0)])
def test_quantile_interpolates_by_type_7(q: float, expected: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], q) == pytest.approx(expected)


def test_quantile_of_one_value_is_that_value() -> None:
    assert quantile([7.0], 0.99) == 7.0


def test_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        median([])


def test_infinite_observations_do_not_become_nan() -> None:
    assert quantile([1.0, math.inf, math.inf], 0.75) == math.inf


# ln .05 / ln .9 = 28.4, ln .05 / ln .99 = 298.1
@pytest.mark.parametrize(("q", "needed"), [(0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_tail_quantile_is_refused_until_the_sample_has_seen_the_tail(q: float, needed: int) -> None:
    assert tail_samples(q) == needed
    values = [float(value) for value in range(needed)]
    with pytest.raises(TooFewSamplesError, match=f"p{100 * q:g} needs at least {needed} samples"):
        tail_quantile(values[1:], q)
    assert tail_quantile(values, q) == pytest.approx((needed - 1) * q)


def test_stopping_rule_looks_at_the_farther_end_of_the_interval() -> None:
    values = [97.0, 99.0, 100.0, 100.0, 101.0, 106.0]  # n = 6: the interval is (97, 106), the median 100
    assert relative_half_width(values) == pytest.approx(0.06)
    assert not precise_enough(values)
    assert precise_enough(values, relative=0.07)


@pytest.mark.parametrize("values", [[], [1.0] * 5])
def test_small_sample_is_never_precise_enough(values: list[float]) -> None:
    assert not precise_enough(values)


def test_constant_sample_is_precise_enough_even_at_zero() -> None:
    assert precise_enough([0.0] * 6)
    assert not precise_enough([-1.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def test_samples_needed_follow_from_the_spread_of_the_pilot() -> None:
    # logs are +-0.1: mean 0, sigma = 0.1 * sqrt(6 / 5) = 0.109545; (1.96 * 1.253314 * 0.109545 / 0.05)^2 = 28.97
    pilot = [math.exp(0.1), math.exp(-0.1)] * 3
    assert needed_samples(pilot) == 29
    assert needed_samples(pilot, relative=0.5) == 6


def test_samples_needed_of_a_tiny_pilot_are_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        needed_samples([1.0, 2.0, 0.0, -1.0, 3.0, 4.0])


def test_coefficient_of_variation() -> None:
    # mean 5, sum of squares 32, sample variance 32 / 7
    assert cv([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx(math.sqrt(32 / 7) / 5)
    assert cv([1.0]) is None
    assert cv([-1.0, 1.0]) is None


def test_distribution_of_a_small_sample_has_every_observation() -> None:
    assert ecdf([3.0, 1.0, 2.0, 2.0]) == [(1.0, 0.25), (2.0, 0.5), (2.0, 0.75), (3.0, 1.0)]


def test_distribution_of_a_large_sample_is_thinned_and_keeps_both_ends() -> None:
    points = ecdf([float(value) for value in range(1000)], points=50)
    assert len(points) == 50
    assert points[0] == (0.0, 0.001)
    assert points[-1] == (999.0, 1.0)
    assert points == sorted(points)


def test_ratio_is_the_median_of_all_ratios_with_the_ranks_of_mann_whitney() -> None:
    # The 36 ratios are 4 * 2^(i - j). half = 1.96 * sqrt(13 / (12 * 36)) = 0.34, so the ends lie at positions
    # 35 * 0.16 = 5.6, between 0.5 and 1, and 35 * 0.84 = 29.4, between 16 and 32.
    base = [2.0**power for power in range(6)]
    ratio, interval = ratio_interval([4 * value for value in base], base)
    assert ratio == 4.0
    assert interval.low == pytest.approx(0.8, abs=1e-3)
    assert interval.high == pytest.approx(22.4, abs=1e-2)
    assert interval.n == 12


def test_ratio_of_large_samples_is_that_of_all_their_ratios() -> None:
    rng = random.Random(2)
    base = [rng.lognormvariate(0, 0.3) for _ in range(700)]
    values = [3 * rng.lognormvariate(0, 0.3) for _ in range(500)]
    ratio, interval = ratio_interval(values, base)
    ratios = sorted(value / other for value in values for other in base)
    half = 1.959964 * math.sqrt(1201 / (12 * 700 * 500))
    assert ratio == pytest.approx(quantile(ratios, 0.5), rel=0.002)
    assert interval.low == pytest.approx(quantile(ratios, 0.5 - half), rel=0.002)
    assert interval.high == pytest.approx(quantile(ratios, 0.5 + half), rel=0.002)


def test_ratio_of_too_few_is_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        ratio_interval([1.0] * 5, [1.0] * 50)
