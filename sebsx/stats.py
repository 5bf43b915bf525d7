"""Medians, quantiles, intervals and the stopping rule; standard library only, each with its source.

Nothing here assumes a normal distribution: run times have long tails and several modes. Intervals are made of
observations themselves (order statistics), and what a sample is too small for is refused rather than guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXACT_LIMIT = 1000  # above it the normal approximation of the binomial is right to a rank


class TooFewSamplesError(UserError):
    """What was asked cannot be said of so few observations; `needed` says how many it takes."""

    def __init__(self, what: str, n: int, needed: int) -> None:
        self.needed = needed
        super().__init__(f"{what} needs at least {needed} samples and there are {n}; take more with --repetitions")


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval whose ends are observations, in their unit.

    Args:
        low: Lower end.
        high: Upper end.
        coverage: Its real confidence, at least the one asked for because ranks are whole numbers.
        n: Number of observations.
    """

    low: float
    high: float
    coverage: float
    n: int


def quantile(values: Sequence[float], q: float) -> float:
    """Return a quantile of observations in any order, interpolated linearly.

    Args:
        values: At least one.
        q: Share below it, 0 <= q <= 1.

    Raises:
        TooFewSamplesError: If there is none.

    Source: Hyndman & Fan, Sample Quantiles in Statistical Packages (1996), type 7, as in R and numpy.
    """
    if not values:
        raise TooFewSamplesError(f"quantile {q:g}", 0, 1)
    return quantile_of_sorted(sorted(values), q)


def quantile_of_sorted(ordered: Sequence[float], q: float) -> float:
    """Return `quantile` of observations that are in ascending order already."""
    position = (len(ordered) - 1) * q
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    share = position - below
    if share == 0 or ordered[below] == ordered[above]:
        return ordered[below]
    return ordered[below] * (1 - share) + ordered[above] * share


def median(values: Sequence[float]) -> float:
    """Return the median of at least one observation."""
    return quantile(values, 0.5)


def tail_samples(q: float) -> int:
    """Return how many observations a tail quantile needs: 29 for p90, 299 for p99.

    With fewer, the largest of them lies below the true quantile in more than 5 % of all cases (q^n > 0.05),
    so that no observation may have seen the tail at all.

    Source: Wilks, Determination of Sample Sizes for Setting Tolerance Limits (1941), one-sided, first order.
    """
    return math.ceil(math.log(0.05) / math.log(q))


def tail_quantile(values: Sequence[float], q: float) -> float:
    """Return a quantile near 1, unless the sample is too small to have seen that tail.

    Raises:
        TooFewSamplesError: If there are fewer than `tail_samples(q)`.
    """
    needed = tail_samples(q)
    if len(values) < needed:
        raise TooFewSamplesError(f"p{100 * q:g}", len(values), needed)
    return quantile(values, q)


def order_statistic_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the distribution-free confidence interval of the median.

    Args:
        values: Observations in any order, at least 6 for 95 % and 8 for 99 %; their unit is kept.
        confidence: Coverage wanted, 0 < confidence < 1.

    Returns:
        The observations of symmetric ranks that reach `confidence`; `.coverage` is exact (binomial).

    Raises:
        TooFewSamplesError: If not even smallest and largest reach it.

    Source: Le Boudec, Performance Evaluation of Computer and Communication Systems (2010), theorem 2.1 and
    table A.1.
    """
    n = len(values)
    low, high, coverage = median_ranks(n, confidence)
    ordered = sorted(values)
    return Interval(ordered[low - 1], ordered[high - 1], coverage, n)


@lru_cache(maxsize=1024)
def median_ranks(n: int, confidence: float = 0.95) -> tuple[int, int, float]:
    """Return the ranks, counted from 1, between which the median lies, and the coverage they reach.

    The coverage of ranks (j, k) is P(j <= B < k) for B binomial(n, 1/2): B counts the observations below the
    median. The widest symmetric pair covers 1 - 2^(1 - n); ranks move inwards while coverage allows.

    Raises:
        TooFewSamplesError: If not even ranks (1, n) reach `confidence`.
    """
    needed = math.ceil(1 - math.log2(1 - confidence))
    if n < needed:
        raise TooFewSamplesError(f"a {confidence:.0%} interval of the median", n, needed)
    if n > _EXACT_LIMIT:
        return _approximate_ranks(n, confidence)
    total = 2**n
    low, term, below = 1, 1, 1  # term = C(n, low - 1); below / total = P(B < low)
    while True:
        term = term * (n - low + 1) // low
        if 1 - 2 * (below + term) / total < confidence:
            return low, n + 1 - low, 1 - 2 * below / total
        below += term
        low += 1


def _approximate_ranks(n: int, confidence: float) -> tuple[int, int, float]:
    """Return the ranks by the normal approximation, rounded outwards (Le Boudec, table A.1, last line)."""
    normal = NormalDist()
    half = normal.inv_cdf((1 + confidence) / 2) * math.sqrt(n) / 2
    low = math.floor(n / 2 - half)
    coverage = 2 * normal.cdf((n / 2 - low + 0.5) / (math.sqrt(n) / 2)) - 1  # with continuity correction
    return low, n + 1 - low, coverage


def precise_enough(values: Sequence[float], relative: float = 0.05, confidence: float = 0.95) -> bool:
    """Tell whether sampling may stop: the interval of the median lies within `relative` of the median.

    Check it in batches (every 50 or 20 % more): asking after each observation costs one to three points of
    coverage, because it stops at lucky moments. A sample too small for an interval is not precise enough.

    Source: Le Boudec (2010), section 2.2.
    """
    return relative_half_width(values, confidence) <= relative


def relative_half_width(values: Sequence[float], confidence: float = 0.95) -> float:
    """Return the larger distance of the interval's ends from the median, as a share of the median.

    Infinite for a sample that is too small, or a median of 0 with an interval that is not.
    """
    try:
        interval = order_statistic_interval(values, confidence)
    except TooFewSamplesError:
        return math.inf
    middle = median(values)
    distance = max(interval.high - middle, middle - interval.low)
    if distance == 0:
        return 0.0
    return distance / abs(middle) if middle else math.inf


def needed_samples(values: Sequence[float], relative: float = 0.05) -> int:
    """Return about how many samples a 95 % interval of the median within `relative` takes, from a pilot.

    Args:
        values: A pilot of at least 6 positive observations.
        relative: Half-width wanted, as a share of the median.

    Returns:
        ceil((1.96 * 1.2533 * sigma / relative)^2), sigma being the standard deviation of the logarithms and
        1.2533 = sqrt(pi / 2) the price of the median against the mean; never below 6.

    Raises:
        TooFewSamplesError: If there are fewer than 6 positive observations.

    Source: asymptotic variance of the sample median of a lognormal distribution, pi / 2 * sigma^2 / n.
    """
    logs = [math.log(value) for value in values if value > 0]
    if len(logs) < 6:
        raise TooFewSamplesError("an estimate of the samples needed", len(logs), 6)
    mean = math.fsum(logs) / len(logs)
    sigma = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1))
    return max(6, math.ceil((1.96 * math.sqrt(math.pi / 2) * sigma / relative) ** 2))


def cv(values: Sequence[float]) -> float | None:
    """Return the coefficient of variation, sample standard deviation over mean; None where it has no meaning.

    It has none for fewer than two observations, or a mean of 0.
    """
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    if mean == 0:
        return None
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)) / abs(mean)


def ratio_interval(values: Sequence[float], base: Sequence[float], confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the typical ratio of one sample to another, and its interval.

    The ratio is the median of all n x m ratios of an observation of `values` to one of `base`, which is the
    Hodges-Lehmann shift of their logarithms; the interval is that of the Mann-Whitney test. Samples of more than
    300 are thinned to 300 of their order statistics, which changes neither end noticeably.

    Args:
        values: At least 6 positive observations.
        base: At least 6 positive observations.
        confidence: Coverage wanted.

    Raises:
        TooFewSamplesError: If a sample is smaller.

    Source: Hollander & Wolfe, Nonparametric Statistical Methods (1999), section 4.3, normal approximation.
    """
    n, m = len(values), len(base)
    if min(n, m) < 6:
        raise TooFewSamplesError("a ratio of two samples", min(n, m), 6)
    ratios = sorted(value / other for value in _thinned(values) for other in _thinned(base))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((n + m + 1) / (12 * n * m))
    low, high = (quantile_of_sorted(ratios, min(1.0, max(0.0, 0.5 + end))) for end in (-half, half))
    return quantile_of_sorted(ratios, 0.5), Interval(low, high, confidence, n + m)


def _thinned(values: Sequence[float], points: int = 300) -> list[float]:
    ordered = sorted(values)
    n = len(ordered)
    return ordered if n <= points else [ordered[int((point + 0.5) * n / points)] for point in range(points)]


def ecdf(values: Sequence[float], points: int = 200) -> list[tuple[float, float]]:
    """Return the empirical distribution as (value, share of observations up to it), thinned to at most `points`.

    The smallest and the largest observation are always kept.
    """
    ordered = sorted(values)
    n = len(ordered)
    if n <= points:
        return [(value, (rank + 1) / n) for rank, value in enumerate(ordered)]
    ranks = sorted({round(step * (n - 1) / (points - 1)) for step in range(points)})
    return [(ordered[rank], (rank + 1) / n) for rank in ranks]
