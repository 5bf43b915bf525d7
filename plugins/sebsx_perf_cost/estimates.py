"""Estimates of a sample or of two, with a note instead of what cannot be said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.conditions import TOO_SMALL
from sebsx.stats import (
    Interval,
    TooFewSamplesError,
    UnusableSamplesError,
    mean_interval,
    median,
    paired_ratio_interval,
    ratio_interval,
    shift_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.model.frame import Frame, Numbers


def ratio_estimate(values: Numbers, base: Numbers, confidence: float) -> Estimate:
    """Return the median of all ratios of an observation to one of the base, with its interval."""
    return _of_two(ratio_interval, values, base, confidence)


def difference_estimate(values: Numbers, base: Numbers, confidence: float) -> Estimate:
    """Return the median of all differences of an observation to one of the base, with its interval."""
    return _of_two(shift_interval, values, base, confidence)


def mean_estimate(values: Numbers, factor: float, confidence: float) -> Estimate:
    """Return the mean times a factor, with its interval; costs add up, so their mean is the right one."""
    n = len(values)
    if n == 0:
        return Estimate(None, confidence=confidence)
    mean = float(values.mean())
    try:
        interval = mean_interval(values, confidence)
    except TooFewSamplesError:
        return Estimate(mean * factor, confidence=confidence, n=n, note=TOO_SMALL)
    mean = min(max(mean, interval.low), interval.high)  # of equal costs, it is a rounding error beside them
    return Estimate(mean * factor, low=interval.low * factor, high=interval.high * factor, confidence=confidence, n=n)


def paired_ratio_estimate(values: Frame, base: Frame, confidence: float) -> Estimate | None:
    """Return the median over the rounds of the ratio of their median latencies; None where the two share no round.

    The interval is that of the median: rounds are the observations, and what drifts between them cancels.
    """
    import numpy as np  # heavy

    (mine, medians), (others, base_medians) = _by_round(values), _by_round(base)
    _, places, base_places = np.intersect1d(mine, others, assume_unique=True, return_indices=True)
    if not len(places):
        return None
    new, old = medians[places], base_medians[base_places]
    found = _of_two(paired_ratio_interval, new, old, confidence)
    if found.value is None and (old > 0).all():
        return Estimate(median(new / old), confidence=confidence, n=len(new), note=found.note)
    return found


def _of_two(
    estimator: Callable[[Numbers, Numbers, float], tuple[float, Interval]],
    values: Numbers,
    base: Numbers,
    confidence: float,
) -> Estimate:
    try:
        value, interval = estimator(values, base, confidence)
    except TooFewSamplesError:
        return Estimate(None, confidence=confidence, note=TOO_SMALL)
    except UnusableSamplesError:
        return Estimate(None, confidence=confidence, note="not all above 0")
    return Estimate(value, low=interval.low, high=interval.high, confidence=confidence, n=interval.n)


def _by_round(frame: Frame) -> tuple[Numbers, Numbers]:
    """Return the rounds, ascending, and the median latency of each."""
    import numpy as np  # heavy

    known = ~np.isnan(frame["round"])
    rounds, latency = frame["round"][known], frame["client.latency_s"][known]
    order = np.lexsort((latency, rounds))
    found, first, counts = np.unique(rounds[order], return_index=True, return_counts=True)
    ordered = latency[order]
    return found, (ordered[first + (counts - 1) // 2] + ordered[first + counts // 2]) / 2
