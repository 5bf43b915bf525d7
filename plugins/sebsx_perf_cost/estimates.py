"""Estimates of a sample or of two, with a note instead of what cannot be said of them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.analyzers import Estimate
from sebsx.configurations import TOO_SMALL
from sebsx.stats import TooFewSamplesError, order_statistic_interval, quantile_of_sorted, ratio_interval

if TYPE_CHECKING:
    from sebsx.store.frame import Frame, Numbers

_LEAST = 6  # observations without which no interval is given
_POINTS = 300


def ratio_estimate(values: Numbers, base: Numbers, confidence: float) -> Estimate:
    """Return the median of all ratios of an observation to one of the base, with its interval."""
    try:
        ratio, interval = ratio_interval(values.tolist(), base.tolist(), confidence)
    except TooFewSamplesError:
        return Estimate(None, confidence=confidence, note=TOO_SMALL)
    return Estimate(ratio, interval.low, interval.high, confidence, interval.n)


def difference_estimate(values: Numbers, base: Numbers, confidence: float) -> Estimate:
    """Return the median of all differences of an observation to one of the base, with its interval.

    Samples of more than 300 are thinned to 300 of their order statistics.

    Source: Hollander & Wolfe, Nonparametric Statistical Methods (1999), section 4.2 and 4.3 (Hodges-Lehmann).
    """
    import numpy as np  # heavy

    n, m = len(values), len(base)
    if min(n, m) < _LEAST:
        return Estimate(None, confidence=confidence, note=TOO_SMALL)
    differences = np.sort(np.subtract.outer(_thinned(values), _thinned(base)).ravel()).tolist()
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((n + m + 1) / (12 * n * m))
    low, middle, high = (
        quantile_of_sorted(differences, share) for share in (max(0.0, 0.5 - half), 0.5, min(1.0, 0.5 + half))
    )
    return Estimate(middle, low, high, confidence, n + m)


def mean_estimate(values: Numbers, factor: float, confidence: float) -> Estimate:
    """Return the mean times a factor, with the interval that the central limit theorem gives; costs add up."""
    n = len(values)
    if n == 0:
        return Estimate(None, confidence=confidence)
    mean = float(values.mean()) * factor
    if n < _LEAST:
        return Estimate(mean, confidence=confidence, n=n, note=TOO_SMALL)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * float(values.std(ddof=1)) * factor / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, confidence, n)


def paired_ratio_estimate(values: Frame, base: Frame, confidence: float) -> Estimate | None:
    """Return the median over the rounds of the ratio of their median latencies; None where the two share no round.

    The interval is that of the median: rounds are the observations, and what drifts between them cancels.
    """
    import numpy as np  # heavy

    (mine, medians), (others, base_medians) = _by_round(values), _by_round(base)
    _, places, base_places = np.intersect1d(mine, others, assume_unique=True, return_indices=True)
    if not len(places):
        return None
    ratios = np.sort(medians[places] / base_medians[base_places]).tolist()
    middle = quantile_of_sorted(ratios, 0.5)
    try:
        interval = order_statistic_interval(ratios, confidence)
    except TooFewSamplesError:
        return Estimate(middle, confidence=confidence, n=len(ratios), note=TOO_SMALL)
    return Estimate(middle, interval.low, interval.high, confidence, len(ratios))


def _by_round(frame: Frame) -> tuple[Numbers, Numbers]:
    """Return the rounds, ascending, and the median latency of each."""
    import numpy as np  # heavy

    known = ~np.isnan(frame["round"])
    rounds, latency = frame["round"][known], frame["client.latency_s"][known]
    order = np.lexsort((latency, rounds))
    found, first, counts = np.unique(rounds[order], return_index=True, return_counts=True)
    ordered = latency[order]
    return found, (ordered[first + (counts - 1) // 2] + ordered[first + counts // 2]) / 2


def _thinned(values: Numbers) -> Numbers:
    import numpy as np  # heavy

    ordered = np.sort(values)
    n = len(ordered)
    if n <= _POINTS:
        return ordered
    places = ((np.arange(_POINTS) + 0.5) * n / _POINTS).astype(int)
    return np.asarray(ordered[places])
