from __future__ import annotations

import math
import random
from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from sebsx.errors import UserError
from sebsx.stats import (
    TooFewSamplesError,
    ecdf,
    median,
    median_ranks,
    order_statistic_interval,
    quantile,
    quantile_interval,
    quantile_ranks,
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


@pytest.mark.parametrize("n", [8, 60, 333, 1001, 40_000, 1_000_000])
@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.9, 0.99, 0.999])
def test_ranks_of_any_quantile_agree_with_the_binomial_distribution_of_scipy(n: int, q: float) -> None:
    if 1 - q**n - (1 - q) ** n < 0.95:
        with pytest.raises(TooFewSamplesError):
            quantile_ranks(n, q)
        return
    low, high, coverage = quantile_ranks(n, q)
    below = binom(n, q)
    assert coverage == pytest.approx(below.cdf(high - 1) - below.cdf(low - 1), abs=1e-9)
    assert coverage >= 0.95
    assert 1 <= low < high <= n
    if low > 1 and high < n:  # each end misses with at most 2.5 %, and the next rank inwards with more
        assert below.cdf(low - 1) <= 0.025 < below.cdf(low)
        assert below.sf(high - 1) <= 0.025 < below.sf(high - 2)


# q^n + (1 - q)^n <= .05 from: .5^6 * 2 = .031; .9^29 = .047; .99^299 = .0495; .001 mirrors .999, .999^2995 = .04996
@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.9, 29), (0.99, 299), (0.001, 2995)])
def test_interval_of_a_quantile_is_refused_until_the_extremes_enclose_it(q: float, needed: int) -> None:
    values = np.arange(needed, dtype=float)
    with pytest.raises(TooFewSamplesError, match=f"at least {needed} samples and there are {needed - 1}"):
        quantile_interval(values[1:], q)
    interval = quantile_interval(values, q)
    assert interval.low < interval.high
    assert interval.coverage >= 0.95


def test_interval_of_a_low_quantile_mirrors_that_of_the_high_one() -> None:
    values = np.arange(1, 501, dtype=float)
    high, low = quantile_interval(values, 0.9), quantile_interval(values, 0.1)
    assert (low.low, low.high) == (501 - high.high, 501 - high.low)
    assert low.coverage == high.coverage


def test_interval_of_p90_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    truth = math.exp(0.5 * 1.2815515655446004)  # z of 0.9
    intervals = [quantile_interval(rng.lognormal(0, 0.5, 100), 0.9) for _ in range(1000)]
    covered = sum(interval.low <= truth <= interval.high for interval in intervals) / 1000
    assert covered == pytest.approx(intervals[0].coverage, abs=0.025)  # three standard errors of 1000 trials


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, math.nan])
def test_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(UserError, match=r"confidence .* must lie between 0 and 1"):
        order_statistic_interval([1.0] * 50, confidence)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_impossible_quantile_is_refused(q: float) -> None:
    with pytest.raises(UserError, match="must lie between 0 and 1"):
        quantile([1.0, 2.0], q)
    with pytest.raises(UserError, match="must lie between 0 and 1"):
        quantile_interval([1.0] * 50, q)


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


# ln .05 / ln .9 = 28.4, ln .05 / ln .99 = 298.1
@pytest.mark.parametrize(("q", "needed"), [(0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_tail_quantile_is_refused_until_the_sample_has_seen_the_tail(q: float, needed: int) -> None:
    assert tail_samples(q) == needed
    values = [float(value) for value in range(needed)]
    with pytest.raises(TooFewSamplesError, match=f"p{100 * q:g} needs at least {needed} samples"):
        tail_quantile(values[1:], q)
    assert tail_quantile(values, q) == pytest.approx((needed - 1) * q)


def test_distribution_of_a_small_sample_has_every_observation() -> None:
    assert ecdf([3.0, 1.0, 2.0, 2.0]) == [(1.0, 0.25), (2.0, 0.5), (2.0, 0.75), (3.0, 1.0)]


def test_distribution_of_a_large_sample_is_thinned_and_keeps_both_ends() -> None:
    points = ecdf([float(value) for value in range(1000)], points=50)
    assert 45 <= len(points) <= 50
    assert points[0] == (0.0, 0.001)
    assert points[-1] == (999.0, 1.0)
    assert points == sorted(points)


def test_thinned_distribution_keeps_every_quantile_and_both_extremes() -> None:
    values = np.random.default_rng(1).lognormal(size=100_003)
    points = ecdf(values)
    assert len(points) <= 200
    assert points[0][0] == values.min()
    assert points[-1] == (values.max(), 1.0)
    shares = np.array([share for _, share in points])
    assert np.diff(shares).max() < 1 / 150
    drawn = np.array([value for value, _ in points])
    assert np.array_equal(np.searchsorted(np.sort(values), drawn, side="right") / len(values), shares)


def test_thinned_distribution_keeps_the_tail_beyond_the_even_steps() -> None:
    shares = [share for _, share in ecdf(np.arange(1_000_000.0))]
    for tail in (1e-2, 1e-3, 1e-4, 1e-5):
        assert min(abs(share - (1 - tail)) for share in shares) < tail


def test_distribution_of_one_point_is_refused() -> None:
    with pytest.raises(UserError, match="at least 2"):
        ecdf([1.0, 2.0], points=1)
