"""Quantiles of times where some of what was asked for was never answered: it is later than all that was.

Leaving it out would answer another question, how long the answered ones took, and flatters a system that drops what
it cannot serve. As long as a quantile lies among the answered ones, it is known exactly, however late the others are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sebsx.stats.blocks import LEAST_BLOCKS
from sebsx.stats.quantiles import ecdf, quantile_ranks
from sebsx.stats.samples import Interval, SamplesError, TooFewSamplesError, as_array, check_share
from sebsx.stats.student import quantile_of_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.stats.samples import Values


class NotReachedError(SamplesError):
    """A quantile lies among what was never answered; `share` of all says how much that is."""

    def __init__(self, unserved: int, n: int) -> None:
        self.share = unserved / n if n else 1.0
        super().__init__(
            "not reached: all failed" if self.share == 1 else f"not reached: {100 * self.share:.3g} % failed"
        )


def quantile_of_all(values: Values, unserved: int, q: float) -> float:
    """Return a quantile of answered and unanswered ones together, interpolated linearly (type 7).

    Args:
        values: Times of the answered ones, in any order.
        unserved: How many were not answered.
        q: Share below it, 0 < q < 1.

    Raises:
        NotReachedError: If it lies among the unanswered ones, or between these and the others, or there is none at all.

    Source: order statistics of a sample that is censored on the right at its largest values, as in Klein and
    Moeschberger, Survival Analysis (2003), section 3.3.
    """
    import numpy as np

    check_share("quantile", q)
    array = as_array(values)
    n = len(array) + unserved
    position = (n - 1) * q
    below, above = math.floor(position), math.ceil(position)
    if above >= len(array):
        raise NotReachedError(unserved, n)
    ordered = np.partition(array, (below, above))
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))


def quantile_interval_of_all(values: Values, unserved: int, q: float, confidence: float = 0.95) -> Interval:
    """Return the distribution-free interval of `quantile_of_all`; its ends are two of the answered ones.

    Raises:
        NotReachedError: If its upper end lies among the unanswered ones.
        TooFewSamplesError: If not even smallest and largest reach the confidence.
    """
    import numpy as np

    array = as_array(values)
    n = len(array) + unserved
    low, high, coverage = quantile_ranks(n, q, confidence)
    if high > len(array):
        raise NotReachedError(unserved, n)
    ordered = np.partition(array, (low - 1, high - 1))
    return Interval(float(ordered[low - 1]), float(ordered[high - 1]), coverage=coverage, n=n)


def quantile_interval_of_blocks(
    values: Values, blocks: NDArray[np.int32] | Sequence[int], unserved: int, q: float, confidence: float = 0.95
) -> Interval:
    """Return the interval of `quantile_of_all` where observations of a block, such as a sandbox, share their luck.

    The share of observations below the quantile has the variance that leaving out each block shows (jackknife), and at
    least that of independent ones. Student's interval of that share, with one degree of freedom fewer than blocks, is
    turned into times: so a block counts by what it answered, as all requests of a load do.

    Args:
        values: Times of the answered ones, in any order.
        blocks: The block of each.
        unserved: How many were not answered: each a block of its own, later than all others.
        q: Share below the quantile.
        confidence: Coverage wanted.

    Raises:
        NotReachedError: If the quantile or its upper end lies among the unanswered ones.
        TooFewSamplesError: If there are fewer than six blocks, or the interval reaches past the extremes.

    Source: Woodruff, Confidence Intervals for Medians and Other Position Measures (1952); Cochran, Sampling Techniques
    (1977), section 3.12, on the variance of a share among clusters; MacKinnon, Nielsen & Webb (2023) on the jackknife.
    """
    import numpy as np

    check_share("confidence", confidence)
    array = as_array(values)
    n = len(array) + unserved
    point = quantile_of_all(array, unserved, q)
    _, numbers = np.unique(np.asarray(blocks), return_inverse=True)
    count = int(numbers.max()) + 1
    if count < LEAST_BLOCKS:
        raise TooFewSamplesError("an interval over blocks", count, LEAST_BLOCKS)
    below = (array < point) + 0.5 * (array == point)
    off = np.bincount(numbers, below - below.sum() / n) / (n - np.bincount(numbers))  # with each block left out
    error = max((count - 1) / count * float((off**2).sum()) + unserved * (q / n) ** 2, q * (1 - q) / n) ** 0.5
    half = quantile_of_t((1 + confidence) / 2, count - 1) * error
    if not half < q:
        raise TooFewSamplesError("an interval over blocks", count, count + 1)
    if q + half >= 1:
        raise (
            NotReachedError(unserved, n)
            if unserved
            else TooFewSamplesError("an interval over blocks", count, count + 1)
        )
    low, high = (quantile_of_all(array, unserved, share) for share in (q - half, q + half))
    return Interval(low, high, coverage=confidence, n=n)


def ecdf_of_all(values: Values, unserved: int, points: int = 200) -> list[tuple[float, float]]:
    """Return `ecdf` with the unanswered ones counted: it ends at the share that was answered."""
    answered = len(values) / (len(values) + unserved) if unserved else 1.0
    return [(value, share * answered) for value, share in ecdf(values, points)]
