"""Quantiles of times where some of what was asked for was never answered: it is later than all that was.

Leaving it out would answer another question, how long the answered ones took, and flatters a system that drops what
it cannot serve. As long as a quantile lies among the answered ones, it is known exactly, however late the others are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sebsx.stats.quantiles import ecdf, quantile_ranks
from sebsx.stats.samples import Interval, SamplesError, as_array, check_share

if TYPE_CHECKING:
    from sebsx.stats.samples import Values


class NotReachedError(SamplesError):
    """A quantile lies among what was never answered; `share` of all says how much that is."""

    def __init__(self, unserved: int, n: int) -> None:
        self.share = unserved / n if n else 1.0
        super().__init__(f"not reached: {100 * self.share:.3g} % unserved")


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


def ecdf_of_all(values: Values, unserved: int, points: int = 200) -> list[tuple[float, float]]:
    """Return `ecdf` with the unanswered ones counted: it ends at the share that was answered."""
    answered = len(values) / (len(values) + unserved) if unserved else 1.0
    return [(value, share * answered) for value, share in ecdf(values, points)]
