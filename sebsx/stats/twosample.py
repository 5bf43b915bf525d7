"""Two samples: is there a difference (tests), how large is it (ratios, shifts), how clear is it (effect size).

Every function takes the new observations first and what they are compared with second. An observation may be infinite:
what was never answered is later than all that was, and two of them are alike. An end of an interval that lies among
them is infinite, or 0 where it is a ratio to one of them.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.stats.quantiles import median
from sebsx.stats.ranks import ranks, signed_ranks, tie_term
from sebsx.stats.samples import Interval, UnusableSamplesError, as_array, check_share, thinned

if TYPE_CHECKING:
    from sebsx.stats.samples import FloatArray, Values

LEAST = 6  # of each side; the smallest sample in which 95 % can be reached at all
_POINTS = 1000  # of each side, so that all pairs are a million numbers
_MEDIANS = 400  # resampled medians of each side
_CONTINUITY = 0.5  # counts are whole, the normal distribution is not
_ROUNDING = 1e-9  # of probabilities that are sums
_NEVER = 1e250  # stands for infinity, so that differences and ratios of two are numbers
_FAR = 1e30  # beyond it lies only what was made of it, a quarter of its logarithm too
_MAGNITUDES = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"))


def mann_whitney(values: Values, base: Values) -> float:
    """Return the two-sided p value of the Mann-Whitney test, asymptotic and corrected for ties; 1 if all are equal.

    Raises:
        TooFewSamplesError: If a sample has fewer than 6.

    Source: Mann & Whitney (1947); Hollander & Wolfe, Nonparametric Statistical Methods (1999), section 4.1.
    """
    import numpy as np

    new, old = _two(values, base, "a test of two samples")
    if new.min() == new.max() == old.min() == old.max():
        return 1.0
    both = np.concatenate((new, old))
    n, pairs = len(both), len(new) * len(old)
    wins = float(ranks(both)[: len(new)].sum()) - len(new) * (len(new) + 1) / 2
    beyond = abs(wins - pairs / 2) - _CONTINUITY
    spread = math.sqrt(pairs / 12 * (n + 1 - tie_term(both) / (n * (n - 1))))
    return min(1.0, math.erfc(beyond / spread / math.sqrt(2)))


def wilcoxon(values: Values, base: Values) -> float:
    """Return the two-sided p value of Wilcoxon's signed-rank test on the log ratios of pairs; 1 if all are equal.

    Pairs without a difference are left out, as Wilcoxon did.

    Args:
        values: At least 6 positive observations.
        base: The other side of each pair, in the same order.

    Source: Wilcoxon (1945); Hollander & Wolfe (1999), section 3.1. Exact up to 50 pairs without ties.
    """
    return signed_rank(_log_ratios(values, base))


def signed_rank(differences: Values) -> float:
    """Return the two-sided p value of Wilcoxon's signed-rank test on the differences of pairs; 1 if all are 0.

    Raises:
        TooFewSamplesError: If there are fewer than 6.
    """
    from scipy.stats import wilcoxon as test

    found = as_array(differences, what="a test of pairs", least=LEAST)
    found = found[found != 0]
    return float(test(found).pvalue) if len(found) else 1.0


def signed_rank_interval(differences: Values, confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the Hodges-Lehmann centre of differences of pairs, and the interval of the signed-rank test.

    The centre is the median of the means of all pairs of differences, a difference with itself included (Walsh
    averages). The interval holds exactly the centres that the test does not reject, so that both always agree. It takes
    the differences as symmetric about their centre, which they are where both sides have one distribution but for the
    shift; of normal ones it is a third shorter than the interval of the median, which six to thirty pairs need.

    Args:
        differences: At least 6 for 95 % (8 for 99 %); the unit is kept. Above 1000, 1000 evenly spaced order
            statistics stand for them, which changes neither end noticeably.
        confidence: Coverage wanted; exact up to 50 pairs without ties, else the normal approximation.

    Raises:
        TooFewSamplesError: If not even the extremes reach it.

    Source: Hodges & Lehmann (1963); Hollander & Wolfe (1999), sections 3.2 and 3.3.
    """
    import numpy as np

    check_share("confidence", confidence)
    needed = max(2, math.ceil(1 - math.log2(1 - confidence) - _ROUNDING))
    array = as_array(differences, what=f"a {100 * confidence:g} % interval of pairs", least=needed)
    n = len(array)
    points = thinned(array, _POINTS)
    rows, columns = np.triu_indices(len(points))
    averages = np.sort((points[rows] + points[columns]) / 2)
    rank, coverage = signed_ranks(n, confidence)
    if n > len(points):
        rank = max(1, round(rank / (n * (n + 1)) * len(points) * (len(points) + 1)))
    ends = Interval(told(float(averages[rank - 1])), told(float(averages[-rank])), coverage=coverage, n=n)
    return told(median(averages)), ends


def cliffs_delta(values: Values, base: Values) -> float:
    """Return P(new > base) - P(new < base), from -1 to 1: how far two samples lie apart, whatever their unit.

    Exact for any size, O((n + m) log m).

    Source: Cliff, Dominance Statistics (1993).
    """
    import numpy as np

    new, old = (np.sort(as_array(side, what="an effect size", least=1, late=True)) for side in (values, base))
    below = int(np.searchsorted(old, new, "left").sum(dtype=np.int64))
    not_above = int(np.searchsorted(old, new, "right").sum(dtype=np.int64))
    return (below + not_above) / (len(new) * len(old)) - 1


def magnitude(delta: float) -> str:
    """Return the word for a Cliff's delta: negligible (below 0.147), small (0.33), medium (0.474) or large.

    Source: Romano, Kromrey, Coraggio & Skowronek, Appropriate Statistics for Ordinal Level Data (2006).
    """
    return next((word for limit, word in _MAGNITUDES if abs(delta) < limit), "large")


def shift_interval(values: Values, base: Values, confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the Hodges-Lehmann shift, the median of all differences of new and base, and its interval.

    Args:
        values: At least 6, in the unit of the result. Above 1000 the pairs are made of 1000 evenly spaced order
            statistics of each side, which changes neither end noticeably.
        base: At least 6.
        confidence: Coverage wanted.

    Source: Hodges & Lehmann (1963); Hollander & Wolfe (1999), sections 4.2 and 4.3, normal approximation.
    """
    new, old = _two(values, base, "a shift between two samples")
    pairs = thinned(new, _POINTS)[:, None] - thinned(old, _POINTS)[None, :]
    return _of_all_pairs(pairs.ravel(), len(new), len(old), confidence)


def ratio_interval(values: Values, base: Values, confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the typical ratio of one sample to another, and its interval.

    The ratio is the median of all n x m ratios of an observation of `values` to one of `base`, which is the
    Hodges-Lehmann shift of their logarithms; the interval is that of the Mann-Whitney test. Where both distributions
    have the same shape it is the ratio of their medians, with a narrower interval than `median_ratio_interval`: by a
    fifth for lognormal times, seven times for two modes.

    Args:
        values: At least 6 positive observations. Above 1000 the pairs are made of 1000 evenly spaced order statistics
            of each side, which changes neither end noticeably.
        base: At least 6 positive observations.
        confidence: Coverage wanted.

    Raises:
        TooFewSamplesError: If a sample is smaller.
        UnusableSamplesError: If an observation is not positive.

    Source: Hollander & Wolfe, Nonparametric Statistical Methods (1999), section 4.3, normal approximation.
    """
    new, old = _two(values, base, "a ratio of two samples", positive=True)
    pairs = thinned(new, _POINTS)[:, None] / thinned(old, _POINTS)[None, :]
    return _of_all_pairs(pairs.ravel(), len(new), len(old), confidence)


def median_ratio_interval(values: Values, base: Values, confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the ratio of two medians and its interval, whatever the shapes of the two distributions.

    The bootstrap distribution of a median needs no resampling: the rank of a resampled median follows a beta
    distribution. Each side is represented by 400 of its quantiles, and the interval are percentiles of all ratios.

    Args:
        values: At least 6 positive observations.
        base: At least 6 positive observations.
        confidence: Coverage wanted.

    Source: Maritz & Jarrett, A Note on Estimating the Variance of the Sample Median (1978); Efron & Tibshirani, An
    Introduction to the Bootstrap (1993), chapter 13.
    """
    import numpy as np

    check_share("confidence", confidence)
    new, old = _two(values, base, "a ratio of two medians", positive=True)
    ratios = _resampled_medians(new)[:, None] / _resampled_medians(old)[None, :]
    low, high = np.quantile(ratios, ((1 - confidence) / 2, (1 + confidence) / 2))
    ends = Interval(told(float(low)), told(float(high)), coverage=confidence, n=len(new) + len(old))
    return told(median(new) / median(old)), ends


def paired_ratio_interval(values: Values, base: Values, confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the typical ratio of pairs and its interval: `signed_rank_interval` of the logarithms of the ratios.

    Whatever both sides of a pair share, such as the drift of the machine, cancels.

    Args:
        values: At least 6 positive observations.
        base: The other side of each pair, in the same order.
        confidence: Coverage wanted.
    """
    centre, interval = signed_rank_interval(_log_ratios(values, base), confidence)
    low, high = (told(math.exp(end)) for end in (interval.low, interval.high))
    return told(math.exp(centre)), Interval(low, high, coverage=interval.coverage, n=interval.n)


def _two(values: Values, base: Values, what: str, *, positive: bool = False) -> tuple[FloatArray, FloatArray]:
    new, old = (numbered(side, what=what, least=LEAST, positive=positive) for side in (values, base))
    return new, old


def numbered(values: Values, *, what: str = "", least: int = 0, positive: bool = False) -> FloatArray:
    """Return observations as `as_array` does, with a very large number for those that are infinite."""
    import numpy as np

    array = as_array(values, what=what, least=least, positive=positive, late=True)
    return np.where(np.isinf(array), _NEVER, array) if np.isinf(array).any() else array


def told(value: float) -> float:
    """Return a median, a difference or a ratio, infinite or 0 where it was made of what is infinite."""
    if abs(value) > _FAR:
        return math.copysign(math.inf, value)
    return 0.0 if abs(value) < 1 / _FAR else value


def _log_ratios(values: Values, base: Values) -> FloatArray:
    import numpy as np

    new, old = _two(values, base, "a comparison of pairs", positive=True)
    if len(new) != len(old):
        raise UnusableSamplesError(f"{len(new)} and {len(old)} samples do not form pairs; keep the rounds both have")
    return np.log(new) - np.log(old)


def _of_all_pairs(pairs: FloatArray, n: int, m: int, confidence: float) -> tuple[float, Interval]:
    """Return the median of all pairs and the pairs at the ranks of the Mann-Whitney test."""
    import numpy as np

    check_share("confidence", confidence)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((n + m + 1) / (12 * n * m))
    low, middle, high = np.quantile(pairs, (max(0.0, 0.5 - half), 0.5, min(1.0, 0.5 + half)), overwrite_input=True)
    return told(float(middle)), Interval(told(float(low)), told(float(high)), coverage=confidence, n=n + m)


def _resampled_medians(array: FloatArray) -> FloatArray:
    import numpy as np
    from scipy.special import betaincinv

    n = len(array)
    shares = betaincinv((n + 1) / 2, (n + 1) / 2, (np.arange(_MEDIANS) + 0.5) / _MEDIANS)
    ordered: FloatArray = np.sort(array)[np.minimum((shares * n).astype(int), n - 1)]
    return ordered
