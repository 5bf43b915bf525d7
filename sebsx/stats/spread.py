"""Means and spread: for costs, which add up, and for rates."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.stats.samples import Interval, as_array, check_share
from sebsx.stats.student import quantile_of_t

if TYPE_CHECKING:
    from sebsx.stats.samples import FloatArray, Values

_BOOTSTRAP_LIMIT = 2000
_RESAMPLES, _BATCH = 9999, 500
_ROUNDING = 1e-12  # values that differ by no more have nothing to resample
_LEAST_FOR_MEAN = 29  # with fewer, more than 5 % of samples have seen nothing of what happens once in ten
LEAST_ALIKE = 10
"""Enough for a mean of what is known to hold no rare kind, such as the means of warm sandboxes."""


def cv(values: Values) -> float | None:
    """Return the coefficient of variation, sample standard deviation over mean; None where it has no meaning.

    It has none for fewer than two observations, or a mean of 0.
    """
    array = as_array(values)
    if len(array) < 2:
        return None
    mean = float(array.mean())
    return float(array.std(ddof=1)) / abs(mean) if mean else None


def harmonic_mean(values: Values) -> float:
    """Return the mean of rates that each did the same amount of work: n / sum(1 / x).

    Raises:
        UnusableSamplesError: If a rate is not positive.
        TooFewSamplesError: If there is none.

    Source: Hoefler & Belli, Scientific Benchmarking of Parallel Computing Systems (SC'15), rule 3.
    """
    array = as_array(values, what="a mean of rates", least=1, positive=True)
    return float(len(array) / (1 / array).sum())


def mean_interval(values: Values, confidence: float = 0.95, *, seed: int = 0, least: int = _LEAST_FOR_MEAN) -> Interval:
    """Return the confidence interval of the arithmetic mean, which is right for what adds up, such as costs.

    Up to 2000 observations it is the BCa bootstrap with 9999 resamples. Above, where resampling only costs time, it is
    the normal interval with the term for skewness that makes it as accurate as BCa (second order).

    Args:
        values: An interval of a mean stands on the tail that the sample happened to see: where one value in ten is a
            cold start, one sample in three of ten has none, and its interval misses.
        confidence: Coverage wanted.
        seed: Of the resampling; the order of the observations does not matter.
        least: Observations needed: 29, or `LEAST_ALIKE` where there is no rare kind of them, or all are equal, as costs
            are that are billed in steps.

    Raises:
        TooFewSamplesError: If there are fewer.

    Source: Efron, Better Bootstrap Confidence Intervals (1987), with percentiles as much farther out as Student's are
    (Hesterberg 2015, section 5.3); Hall, Inverting an Edgeworth Expansion (1983).
    """
    import numpy as np

    check_share("confidence", confidence)
    array = as_array(values)
    alike = len(array) >= LEAST_ALIKE and float(np.ptp(array)) == 0
    ordered = np.sort(as_array(array, what="an interval of the mean", least=LEAST_ALIKE if alike else least))
    n = len(ordered)
    lowest, highest = float(ordered[0]), float(ordered[-1])
    if highest - lowest <= _ROUNDING * max(abs(lowest), abs(highest)):
        return Interval(lowest, highest, coverage=confidence, n=n)
    if n <= _BOOTSTRAP_LIMIT:
        reach = quantile_of_t((1 + confidence) / 2, n - 1) * math.sqrt(n / (n - 1))
        low, high = _bootstrapped(ordered, reach, seed)
        return Interval(low, high, coverage=confidence, n=n)
    centred = ordered - ordered.mean()
    deviation = float(ordered.std(ddof=1))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    lean = float(((centred / deviation) ** 3).mean()) * (2 * z * z + 1) / (6 * math.sqrt(n))
    middle, step = float(ordered.mean()), deviation / math.sqrt(n)
    return Interval(middle + step * (lean - z), middle + step * (lean + z), coverage=confidence, n=n)


def _bootstrapped(ordered: FloatArray, reach: float, seed: int) -> tuple[float, float]:
    """Return the bias-corrected and accelerated percentiles of resampled means.

    Args:
        ordered: Not all alike.
        reach: How many standard deviations the ends lie out.
        seed: Of the resamples.
    """
    import numpy as np
    from scipy.special import ndtr, ndtri

    n, rng = len(ordered), np.random.default_rng(seed)
    sizes = [min(_BATCH, _RESAMPLES - done) for done in range(0, _RESAMPLES, _BATCH)]
    means = np.concatenate([ordered[rng.integers(0, n, (size, n))].mean(axis=1) for size in sizes])
    mean = ordered.mean()
    bias = ndtri(((means < mean).sum() + (means <= mean).sum()) / (2 * _RESAMPLES))
    off = ordered - mean  # in proportion to what each value does to the mean
    acceleration = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    places = (bias - reach, bias + reach)
    low, high = np.quantile(means, [ndtr(bias + place / (1 - acceleration * place)) for place in places])
    return float(low), float(high)
