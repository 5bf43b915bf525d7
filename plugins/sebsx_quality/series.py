"""One condition's values over time: drift, changes, warm-up, modes, and what groups of sandboxes explain."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sebsx.stats import TooFewSamplesError, change_points, drift, mann_whitney, two_modes
from sebsx.stats.ranks import kruskal_wallis
from sebsx.stats.samples import SamplesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.model.frame import Numbers, Places
    from sebsx.stats import Drift, Modes

LEAST_OF_A_GROUP = 5  # observations of a sandbox or CPU model that the chi-squared of Kruskal-Wallis stands on
_LEAST_OF_A_LEVEL = 10
_LEAST_OF_A_SANDBOX = 20  # calls of a sandbox whose first tenth is a part of its own
_FIRST_SHARE = 0.1
_LEAST_TO_COMPARE = 6
_FAR = 3.0  # interquartile ranges


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A change of level.

    Args:
        index: Of the first value of the new level.
        before: Median of the level before.
        after: Median of the level after.
        p: Mann-Whitney of both levels, times the number of places where the change might have been found.
    """

    index: int
    before: float
    after: float
    p: float

    @property
    def ratio(self) -> float:
        """After over before."""
        return self.after / self.before


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How the first tenth of the calls of each sandbox differs from the rest.

    Args:
        ratio: Median of the first calls, each over the median of the rest of its sandbox.
        p: Mann-Whitney of first and rest, both as such ratios.
        sandboxes: How many were long enough.
        n: First calls.
    """

    ratio: float
    p: float
    sandboxes: int
    n: int


@dataclass(frozen=True, slots=True)
class Explained:
    """How much of the spread lies between groups rather than within them.

    Args:
        share: Of the variance of ranks, corrected for the number of groups; 0 for none, 1 for all.
        p: Kruskal-Wallis.
        groups: How many had enough observations.
        n: Observations in them.
    """

    share: float
    p: float
    groups: int
    n: int


def drift_of(values: Numbers, times: Numbers, confidence: float) -> Drift | None:
    """Return the drift of a series, None where it is too short to tell one."""
    try:
        return drift(values, times, confidence)
    except SamplesError:
        return None


def changes_of(values: Numbers) -> list[LevelChange]:
    """Return the changes of level of a series in its order."""
    import numpy as np  # heavy

    edges = [0, *change_points(values, _LEAST_OF_A_LEVEL), len(values)]
    found = []
    for start, middle, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = values[start:middle], values[middle:end]
        p = min(1.0, mann_whitney(after, before) * len(values))
        found.append(LevelChange(middle, float(np.median(before)), float(np.median(after)), p))
    return found


def warm_up_of(values: Numbers, sandboxes: Sequence[Places]) -> WarmUp | None:
    """Return how first calls differ from later ones of the same sandbox.

    Args:
        values: Positive, in the order of time.
        sandboxes: Where the values of each sandbox are.

    Returns:
        None where no sandbox has 20 calls, or all together have fewer than 6 first ones.
    """
    import numpy as np  # heavy

    first, rest = [], []
    for mine in sandboxes:
        series = values[mine]
        if len(series) >= _LEAST_OF_A_SANDBOX:
            cut = int(len(series) * _FIRST_SHARE)
            usual = np.median(series[cut:])
            first.append(series[:cut] / usual)
            rest.append(series[cut:] / usual)
    if sum(map(len, first)) < _LEAST_TO_COMPARE:
        return None
    early, late = np.concatenate(first), np.concatenate(rest)
    return WarmUp(float(np.median(early)), mann_whitney(early, late), len(first), len(early))


def explained_by(values: Numbers, groups: Sequence[Places]) -> Explained | None:
    """Return how much groups explain of the spread of values; None with fewer than two that have 5 values.

    Source: Kruskal & Wallis, Use of Ranks in One-Criterion Variance Analysis (1952); epsilon squared corrected for the
    number of groups, (H - k + 1) / (n - k), from Tomczak & Tomczak, The Need to Report Effect Size Estimates (2014).
    """
    samples = [values[mine] for mine in groups]
    large = [sample for sample in samples if len(sample) >= LEAST_OF_A_GROUP]
    n, k = sum(map(len, large)), len(large)
    if k < 2:
        return None
    if min(sample.min() for sample in large) == max(sample.max() for sample in large):
        return Explained(0.0, 1.0, k, n)
    h, p = kruskal_wallis(large)
    return Explained(max(0.0, (h - k + 1) / (n - k)), p, k, n)


def modes_of(values: Numbers) -> Modes | None:
    """Return the two groups that a sample falls into, None where it is too small to tell."""
    try:
        return two_modes(values)
    except TooFewSamplesError:
        return None


def outlier_share(values: Numbers) -> float | None:
    """Return the share of values more than three interquartile ranges outside the quartiles; None for fewer than 20.

    Source: Tukey, Exploratory Data Analysis (1977): `far out`.
    """
    import numpy as np  # heavy

    if len(values) < 20:  # quartiles of fewer say little
        return None
    low, high = np.quantile(values, [0.25, 0.75])
    reach = _FAR * (high - low)
    return float(np.mean((values < low - reach) | (values > high + reach)))


def thinned(times: Numbers, values: Numbers, points: int) -> list[tuple[float, float]]:
    """Return a series in few enough points to draw: the least and the largest of each stretch of time, in order.

    Args:
        times: Ascending.
        values: As many.
        points: Most points, at least 2.
    """
    import numpy as np  # heavy

    n = len(times)
    if n <= points:
        kept = np.arange(n)
    else:
        edges = np.arange(points // 2 + 1) * n // (points // 2)
        parts = [slice(start, end) for start, end in pairwise(edges)]
        ends = [
            place
            for part in parts
            for place in (part.start + values[part].argmin(), part.start + values[part].argmax())
        ]
        kept = np.unique(ends)
    return list(zip(times[kept].tolist(), values[kept].tolist(), strict=True))
