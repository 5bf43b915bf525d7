"""Ranks, and what is computed of them, with numpy alone: importing `scipy.stats` takes longer than a whole report."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.stats.samples import FloatArray

_EXACT_PAIRS = 50  # as scipy's test is exact
_ROUNDING = 1e-9  # of probabilities that are sums


def ranks(array: FloatArray) -> FloatArray:
    """Return the rank of each value, from 1; equal values share the mean of theirs."""
    import numpy as np

    order = np.argsort(array, kind="stable")
    sizes = _ties(array[order])
    last = np.cumsum(sizes)
    found = np.empty(len(array))
    found[order] = np.repeat(last - (sizes - 1) / 2, sizes)
    return found


def tie_term(array: FloatArray) -> float:
    """Return the sum of t^3 - t over all groups of t equal values, by which ties make ranks vary less."""
    import numpy as np

    sizes = _ties(np.sort(array)).astype(np.float64)
    return float((sizes**3 - sizes).sum())


def kruskal_wallis(samples: Sequence[FloatArray]) -> tuple[float, float]:
    """Return H, corrected for ties, and its p value by the chi-squared distribution.

    Args:
        samples: Two or more, each of five or more; not all values may be equal.

    Source: Kruskal & Wallis, Use of Ranks in One-Criterion Variance Analysis (1952).
    """
    import numpy as np
    from scipy.special import chdtrc

    values = np.concatenate(samples)
    n = len(values)
    parts = np.split(ranks(values), np.cumsum([len(sample) for sample in samples])[:-1])
    h = 12 / (n * (n + 1)) * sum(float(part.sum()) ** 2 / len(part) for part in parts) - 3 * (n + 1)
    h /= 1 - tie_term(values) / (n**3 - n)
    return h, float(chdtrc(len(samples) - 1, h))


def theil_sen(values: FloatArray, times: FloatArray, confidence: float) -> tuple[float, float, float]:
    """Return the median of the slopes of all pairs, and the ends of its interval.

    Args:
        values: Of each time; all pairs are held in memory.
        times: Not all the same.
        confidence: Coverage of the interval.

    Source: Sen, Estimates of the Regression Coefficient Based on Kendall's Tau (1968), with ties in both.
    """
    import numpy as np

    later, earlier = np.tril_indices(len(times), -1)
    apart = times[later] != times[earlier]
    later, earlier = later[apart], earlier[apart]
    slopes = np.sort((values[later] - values[earlier]) / (times[later] - times[earlier]))
    n = len(values)
    spread = n * (n - 1) * (2 * n + 5) - _kendall_ties(values) - _kendall_ties(times)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(spread / 18)
    low = max(round((len(slopes) - reach) / 2) - 1, 0)
    high = min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


@lru_cache(maxsize=256)
def signed_ranks(n: int, confidence: float) -> tuple[int, float]:
    """Return how many Walsh averages, counted from either end, an interval begins with, and what it covers."""
    import numpy as np

    tail = (1 - confidence) / 2
    if n > _EXACT_PAIRS:
        deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return max(1, math.floor(n * (n + 1) / 4 + NormalDist().inv_cdf(tail) * deviation) + 1), confidence
    shares = np.ones(1)  # of the sum of the ranks of the positive differences
    for rank in range(1, n + 1):
        grown = np.zeros(len(shares) + rank)
        grown[: len(shares)] += shares / 2
        grown[rank:] += shares / 2
        shares = grown
    below = np.cumsum(shares)  # P(sum <= place)
    rank = max(1, int(np.searchsorted(below, tail * (1 + _ROUNDING), "right")))
    return rank, 1 - 2 * float(below[rank - 1])


def _kendall_ties(array: FloatArray) -> float:
    import numpy as np

    sizes = _ties(np.sort(array)).astype(np.float64)
    return float((sizes * (sizes - 1) * (2 * sizes + 5)).sum())


def _ties(ordered: FloatArray) -> NDArray[np.intp]:
    """Return how many values each group of equal ones has, in their order."""
    import numpy as np

    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return np.diff(np.append(starts, len(ordered)))
