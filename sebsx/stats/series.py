"""The shape of a series: does it drift, does it jump, are there two kinds of values in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.stats.ranks import ranks, theil_sen
from sebsx.stats.samples import UnusableSamplesError, as_array, check_share
from sebsx.stats.student import tail_of_t

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sebsx.stats.samples import FloatArray, Values

_LEAST_FOR_DRIFT = 10
_BLOCKS = 400  # of a series whose slope is looked for among all pairs
_LEAST_FOR_MODES = 50
_APART = 4.5  # evenly spread values, the flattest single mode, reach 2 * sqrt(3) = 3.46 when cut, up to 4.5 by chance
_SMALLEST_MODE = 0.05  # less than that is a tail, not a mode
_LONGEST_SERIES = 1000  # points among which changes are looked for
_PENALTY = 4.0  # times the variance times ln n for one more change; see docs/methods/statistics.md


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Whether a series rises or falls while it was measured.

    Args:
        rho: Spearman's rank correlation of time and value, -1 to 1.
        low: Lower end of its interval.
        high: Upper end.
        p: Two-sided p value of no monotone trend.
        change: How much the trend changes the value from start to end, as a share of its median.
        change_low: Lower end of its interval.
        change_high: Upper end.
    """

    rho: float
    low: float
    high: float
    p: float
    change: float
    change_low: float
    change_high: float


def drift(values: Values, times: Values | None = None, confidence: float = 0.95) -> Drift:
    """Return the monotone trend of a series.

    Args:
        values: At least 10, in the order of time unless `times` are given.
        times: Time of each, any unit; their order by default.
        confidence: Of both intervals.

    Returns:
        Rank correlation with time, and the Theil-Sen slope times the duration over the median; above 400 values the
        slope is that of 400 block medians. Neighbours that resemble each other (autocorrelation) make p too small: a
        wandering machine is rightly a finding, though not always a trend.

    Raises:
        TooFewSamplesError: If there are fewer than 10.
        UnusableSamplesError: If the median is 0, or times are not as many as values or all the same.

    Source: Bonett & Wright, Sample Size Requirements for Estimating Pearson, Kendall and Spearman Correlations (2000),
    for the interval of rho; Sen, Estimates of the Regression Coefficient Based on Kendall's Tau (1968).
    """
    import numpy as np

    check_share("confidence", confidence)
    array = as_array(values, what="a drift", least=_LEAST_FOR_DRIFT)
    n = len(array)
    moments = np.arange(n, dtype=np.float64) if times is None else as_array(times)
    if len(moments) != n or moments.min() == moments.max():
        raise UnusableSamplesError(f"{n} values need {n} times, not all the same, to tell a drift")
    middle = float(np.median(array))
    if array.min() == array.max():
        return Drift(rho=0.0, low=0.0, high=0.0, p=1.0, change=0.0, change_low=0.0, change_high=0.0)
    if middle == 0:
        raise UnusableSamplesError("a drift is a share of the median, which is 0")
    order = np.argsort(moments, kind="stable")
    array, moments = array[order], moments[order]
    rho = float(np.corrcoef(ranks(moments), ranks(array))[0, 1])
    rho = max(-1.0, min(1.0, rho))
    score = math.inf if abs(rho) == 1 else abs(rho) * math.sqrt((n - 2) / (1 - rho * rho))
    low, high = _spearman_interval(rho, n, confidence)
    slopes = theil_sen(_block_medians(array, _BLOCKS), _block_medians(moments, _BLOCKS), confidence)
    scale = float(moments[-1] - moments[0]) / abs(middle)
    return Drift(
        rho=rho,
        low=low,
        high=high,
        p=2 * tail_of_t(score, n - 2),
        change=slopes[0] * scale,
        change_low=slopes[1] * scale,
        change_high=slopes[2] * scale,
    )


def _spearman_interval(rho: float, n: int, confidence: float) -> tuple[float, float]:
    if abs(rho) == 1:
        return rho, rho
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def _block_medians(series: FloatArray, blocks: int) -> FloatArray:
    """Return the medians of at most `blocks` runs of neighbours, of nearly the same length."""
    import numpy as np

    if len(series) <= blocks:
        return series
    edges = _block_edges(len(series), blocks)
    lengths = np.diff(edges)
    medians = np.empty(len(lengths))
    for length in np.unique(lengths):  # two at most
        some = lengths == length
        medians[some] = np.median(series[edges[:-1][some, None] + np.arange(length)], axis=1)
    return medians


def _block_edges(n: int, blocks: int) -> NDArray[np.int64]:
    """Return where each block begins, and the end of the last."""
    import numpy as np

    return (np.arange(blocks + 1) * n) // blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """A sample cut in two where that explains most.

    Args:
        low: Median of the lower group, in the unit of the sample.
        high: Median of the upper group.
        cut: Largest value of the lower group.
        high_share: Share of the upper group.
        separation: Ashman's D, the distance of the groups over their spread, in the logarithm.
        distinct: Whether they are two modes and not one that was cut.
    """

    low: float
    high: float
    cut: float
    high_share: float
    separation: float
    distinct: bool


def two_modes(values: Values) -> Modes:
    """Return the two groups of a sample, and whether they are modes: such as two CPU models, or cold and warm.

    The cut is the best of all (least squares in the logarithm). Two modes are distinct where each holds 5 % and
    Ashman's D is above 4.5: a cut trims both groups, so that even one mode gives about 2.7 (normal) or 3.5 (evenly
    spread). A hint, not a test: modes closer than about five of their standard deviations are not seen.

    Args:
        values: At least 50 positive observations.

    Raises:
        TooFewSamplesError: If there are fewer.

    Source: Ashman, Bird & Zepf, Detecting Bimodality in Astronomical Datasets (1994), D > 2 for groups not trimmed;
    Fisher, On Grouping for Maximum Homogeneity (1958), for the cut.
    """
    import numpy as np

    array = as_array(values, what="a look for two modes", least=_LEAST_FOR_MODES, positive=True)
    ordered = np.sort(array)
    n = len(ordered)
    if ordered[0] == ordered[-1]:
        only = float(ordered[0])
        return Modes(low=only, high=only, cut=only, high_share=0.0, separation=0.0, distinct=False)
    logs = np.log(ordered)
    logs -= logs.mean()
    sums = np.cumsum(logs)[:-1]
    sizes = np.arange(1, n)
    cut = int(np.argmax(np.where(np.diff(logs) > 0, sums**2 / sizes + (logs.sum() - sums) ** 2 / (n - sizes), -1))) + 1
    lower, upper = logs[:cut], logs[cut:]
    spread = math.sqrt((float(lower.var()) + float(upper.var())) / 2)
    distance = float(upper.mean() - lower.mean())
    separation = distance / spread if spread else math.inf
    share = (n - cut) / n
    distinct = separation > _APART and _SMALLEST_MODE <= share <= 1 - _SMALLEST_MODE
    low, high = float(np.median(ordered[:cut])), float(np.median(ordered[cut:]))
    return Modes(
        low=low, high=high, cut=float(ordered[cut - 1]), high_share=share, separation=separation, distinct=distinct
    )


def change_points(values: Values, least: int = 10) -> list[int]:
    """Return where the level of a series changes: the index of the first value of each new level.

    Levels are those of the ranks, so that outliers and tails do not count as levels. A series of more than 2000 is
    looked at in 2000 blocks, and an index is then that of a block's first value.

    Args:
        values: In the order of time.
        least: Smallest number of values (of blocks in a long series) that make a level.

    Returns:
        Indices in ascending order; none for fewer than twice `least` values. Independent values give a false one in
        about one series of twenty at most; neighbours that resemble each other give more.

    Source: Jackson et al., An Algorithm for Optimal Partitioning of Data on an Interval (2005), least squares, here of
    ranks; spread from the differences of neighbours (von Neumann, 1941).
    """
    import numpy as np

    if least < 2:
        raise UserError(f"a level needs at least 2 values, not {least}")
    array = as_array(values)
    n = len(array)
    series = ranks(_block_medians(array, _LONGEST_SERIES))
    if len(series) < 2 * least:
        return []
    variance = float(np.diff(series).var()) / 2
    if variance == 0:
        return []
    edges = _block_edges(n, len(series))
    return [int(edges[start]) for start in _level_starts(series, least, _PENALTY * variance * math.log(len(series)))]


def _level_starts(series: FloatArray, least: int, penalty: float) -> list[int]:
    """Return the starts of the levels that minimise squared residuals plus a penalty for each change."""
    import numpy as np

    n = len(series)
    sums = np.concatenate(([0.0], np.cumsum(series)))
    squares = np.concatenate(([0.0], np.cumsum(series**2)))
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, dtype=int)
    countdown = np.arange(n, 0, -1.0)
    for end in range(least, n + 1):
        candidates = end - least + 1
        level = sums[end] - sums[:candidates]
        costs = best[:candidates] + squares[end] - squares[:candidates]
        costs -= level * level / countdown[n - end : n - end + candidates]
        winner = int(np.argmin(costs))
        best[end], last[end] = costs[winner] + penalty, winner
    starts, end = [], int(last[n])
    while end > 0:
        starts.append(end)
        end = int(last[end])
    return starts[::-1]
