"""Quantiles and their distribution-free intervals, whose ends are observations (order statistics)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.stats.samples import Interval, TooFewSamplesError, as_array, check_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.stats.samples import Values

_NEGLIGIBLE = 1e-18  # of the largest probability; what is left out changes no digit of the coverage


def quantile(values: Values, q: float) -> float:
    """Return a quantile of observations in any order, interpolated linearly.

    Args:
        values: At least one.
        q: Share below it, 0 <= q <= 1.

    Raises:
        TooFewSamplesError: If there is none.

    Source: Hyndman & Fan, Sample Quantiles in Statistical Packages (1996), type 7, as in R and numpy.
    """
    import numpy as np

    if not 0 <= q <= 1:
        raise UserError(f"quantile {q!r} must lie between 0 and 1")
    return float(np.quantile(as_array(values, what=f"quantile {q:g}", least=1), q))


def quantile_of_sorted(ordered: Sequence[float], q: float) -> float:
    """Return `quantile` of finite observations that are in ascending order already."""
    position = (len(ordered) - 1) * q
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    share = position - below
    if share == 0 or ordered[below] == ordered[above]:
        return ordered[below]
    return ordered[below] * (1 - share) + ordered[above] * share


def median(values: Values) -> float:
    """Return the median of at least one observation."""
    return quantile(values, 0.5)


def tail_samples(q: float) -> int:
    """Return how many observations a tail quantile needs: 29 for p90, 299 for p99.

    With fewer, the largest of them lies below the true quantile in more than 5 % of all cases (q^n > 0.05),
    so that no observation may have seen the tail at all.

    Source: Wilks, Determination of Sample Sizes for Setting Tolerance Limits (1941), one-sided, first order.
    """
    check_share("quantile", q)
    return math.ceil(math.log(0.05) / math.log(q))


def tail_quantile(values: Values, q: float) -> float:
    """Return a quantile near 1, unless the sample is too small to have seen that tail.

    Raises:
        TooFewSamplesError: If there are fewer than `tail_samples(q)`.
    """
    return quantile(as_array(values, what=f"p{100 * q:g}", least=tail_samples(q)), q)


def quantile_interval(values: Values, q: float, confidence: float = 0.95) -> Interval:
    """Return the distribution-free confidence interval of a quantile.

    Args:
        values: Observations in any order, enough of them (95 %: 6 for the median, 29 for p90, 299 for p99); their
            unit is kept.
        q: Share below the quantile, 0 < q < 1.
        confidence: Coverage wanted, 0 < confidence < 1.

    Returns:
        Two of the observations; `.coverage` is exact (binomial) for a continuous distribution, and a lower bound
        where values are tied.

    Raises:
        TooFewSamplesError: If not even smallest and largest reach it.

    Source: Le Boudec, Performance Evaluation of Computer and Communication Systems (2010), theorem 2.1; Conover,
    Practical Nonparametric Statistics (1999), section 3.2.
    """
    import numpy as np

    array = as_array(values)
    low, high, coverage = quantile_ranks(len(array), q, confidence)
    ordered = np.partition(array, (low - 1, high - 1))
    return Interval(float(ordered[low - 1]), float(ordered[high - 1]), coverage=coverage, n=len(array))


def order_statistic_interval(values: Values, confidence: float = 0.95) -> Interval:
    """Return the distribution-free confidence interval of the median: `quantile_interval` at 0.5."""
    return quantile_interval(values, 0.5, confidence)


def median_ranks(n: int, confidence: float = 0.95) -> tuple[int, int, float]:
    """Return the ranks, counted from 1, between which the median lies, and the coverage they reach."""
    return quantile_ranks(n, 0.5, confidence)


@lru_cache(maxsize=1024)
def quantile_ranks(n: int, q: float, confidence: float = 0.95) -> tuple[int, int, float]:
    """Return the ranks, counted from 1, between which a quantile lies, and the coverage they reach.

    The coverage of ranks (j, k) is P(j <= B < k) for B binomial(n, q): B counts the observations below the quantile.
    Both ends miss with at most half of 1 - confidence where the sample allows it, so that the ranks of a median are
    symmetric; near the needed size the far end is the extreme, and the near end takes what is left.

    Raises:
        TooFewSamplesError: If not even ranks (1, n) reach `confidence`.
    """
    check_share("quantile", q)
    check_share("confidence", confidence)
    needed = _needed(q, confidence)
    if n < needed:
        name = "the median" if q == 0.5 else f"p{100 * q:g}"
        raise TooFewSamplesError(f"a {100 * confidence:g} % interval of {name}", n, needed)
    if q < 0.5:
        low, high, coverage = quantile_ranks(n, 1 - q, confidence)
        return n + 1 - high, n + 1 - low, coverage
    first, below = _cumulative(n, q)  # below[i] = P(B < first + i)

    def under(rank: int) -> float:
        return below[min(max(rank - first, 0), len(below) - 1)]

    tail = (1 - confidence) / 2
    low = max(1, max((first + i for i, share in enumerate(below) if share <= tail), default=1))
    high = min((first + i for i, share in enumerate(below) if share >= 1 - tail), default=n + 1)
    if high > n:
        high = n
        low = max(
            [1, *(first + i for i, share in enumerate(below) if first + i < n and under(n) - share >= confidence)]
        )
    if q == 0.5:
        high = n + 1 - low  # exactly symmetric, whatever the last digit of a sum
    return low, high, under(high) - under(low)


def _needed(q: float, confidence: float) -> int:
    """Return the smallest n whose extremes enclose the quantile with `confidence`: 1 - q^n - (1 - q)^n."""
    n = max(2, math.ceil(math.log(1 - confidence) / math.log(max(q, 1 - q))))
    while 1 - q**n - (1 - q) ** n < confidence:
        n += 1
    return n


def _cumulative(n: int, q: float) -> tuple[int, list[float]]:
    """Return `first` and P(B < first), P(B < first + 1), ..., 1 for B binomial(n, q); negligible tails left out.

    Probabilities follow from the mode by recurrence, which needs no special function and loses no digits.
    """
    mode = min(n, math.floor((n + 1) * q))
    odds = q / (1 - q)
    falling, weight, count = [], 1.0, mode
    while count > 0 and weight > _NEGLIGIBLE:
        weight *= count / ((n - count + 1) * odds)
        falling.append(weight)
        count -= 1
    rising, weight, count = [1.0], 1.0, mode
    while count < n and weight > _NEGLIGIBLE:
        weight *= (n - count) * odds / (count + 1)
        rising.append(weight)
        count += 1
    weights = falling[::-1] + rising
    total = math.fsum(weights)
    below, running = [0.0], 0.0
    for weight in weights:
        running += weight
        below.append(running / total)
    return mode - len(falling), below


def ecdf(values: Values, points: int = 200) -> list[tuple[float, float]]:
    """Return the empirical distribution as (value, share of observations up to it), thinned to at most `points`.

    Each point is an observation at its true share. The smallest and the largest are always kept, and where there are
    points enough the tails are kept finer: the 2nd, 4th, 8th ... smallest and largest too.
    """
    import numpy as np

    if points < 2:
        raise UserError(f"a distribution of {points} points shows nothing; ask for at least 2")
    ordered = np.sort(as_array(values))
    n = len(ordered)
    if n <= points:
        ranks = np.arange(n)
    else:
        tail = 2 ** np.arange(n.bit_length() if points >= 4 * n.bit_length() else 0) // 2
        even = np.rint(np.linspace(0, n - 1, points - 2 * len(tail))).astype(int)
        ranks = np.unique(np.concatenate([even, tail, n - 1 - tail]))
    return list(zip(ordered[ranks].tolist(), ((ranks + 1) / n).tolist(), strict=True))
