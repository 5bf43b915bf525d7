"""How many samples: when to stop, and how many a precision or a difference takes."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.stats.blocks import block_medians, blocks_for_difference, distances
from sebsx.stats.quantiles import median, order_statistic_interval
from sebsx.stats.samples import TooFewSamplesError, as_array, check_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.stats.samples import Values

_LEAST = 6  # below it no pair of observations encloses the median with 95 %
_MEDIAN_PRICE = math.pi / 2  # variance of a median against that of a mean, normal logarithms


def precise_enough(values: Values, relative: float = 0.05, confidence: float = 0.95) -> bool:
    """Tell whether sampling may stop: the interval of the median lies within `relative` of the median.

    Ask at the sizes that `next_look` gives: asking after each observation costs one to three points of coverage,
    because it stops at lucky moments. A sample too small for an interval is not precise enough.

    Source: Le Boudec (2010), section 2.2.
    """
    return relative_half_width(values, confidence) <= relative


def next_look(n: int) -> int:
    """Return the number of samples at which to ask `precise_enough` after having asked at `n`: 20 % more.

    Looking at every sample costs coverage.
    """
    return n + max(1, math.ceil(n / 5))


def relative_half_width(values: Values, confidence: float = 0.95) -> float:
    """Return the larger distance of the interval's ends from the median, as a share of the median.

    Infinite for a sample that is too small, or a median of 0 with an interval that is not.
    """
    array = as_array(values)
    try:
        interval = order_statistic_interval(array, confidence)
    except TooFewSamplesError:
        return math.inf
    middle = median(array)
    distance = max(interval.high - middle, middle - interval.low)
    if distance == 0:
        return 0.0
    return distance / abs(middle) if middle else math.inf


def needed_blocks(
    values: Values, blocks: NDArray[np.int32] | Sequence[int], relative: float = 0.05, confidence: float = 0.95
) -> int:
    """Return about how many blocks an interval of the median within `relative` takes, each as long as in a pilot.

    Args:
        values: A pilot of positive observations.
        blocks: The block of each, such as its sandbox; at least 6 different ones.
        relative: Half-width wanted, as a share of the median, above 0.
        confidence: Coverage wanted.

    Returns:
        ceil((z * 1.2533 * sigma / relative)^2), sigma being the deviation of the logarithms of the blocks' medians,
        z = 1.96 for 95 %, and 1.2533 = sqrt(pi / 2) the price of the median against the mean; never below 6.

    Raises:
        TooFewSamplesError: If there are fewer than 6 blocks.
        UnusableSamplesError: If an observation is not positive.

    Source: asymptotic variance of the sample median of a lognormal distribution, pi / 2 * sigma^2 / n.
    """
    import numpy as np

    check_share("confidence", confidence)
    _check_relative("relative", relative)
    medians = block_medians(as_array(values, positive=True), blocks)
    pilot = as_array(medians, what="an estimate of the blocks needed", least=_LEAST)
    sigma = float(np.log(pilot).std(ddof=1))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return max(_LEAST, math.ceil(_MEDIAN_PRICE * (z * sigma / relative) ** 2))


def samples_for_difference(
    cv: float, ratio: float, power: float = 0.95, alpha: float = 0.05, *, threshold: float = 0.0, pairs: bool = False
) -> int:
    """Return how many samples of each side find a difference, as `compare_samples` and `verdict` look for it.

    Args:
        cv: Coefficient of variation of one side, such as 0.05; for pairs that of the noise within a round, without
            the drift that both sides share.
        ratio: True ratio of new to base that must be found, such as 1.1; below 1 for an improvement.
        power: Share of experiments that find it.
        alpha: Share of experiments without any difference in which the test may reject.
        threshold: Change below which a verdict is no regression; the ratio must lie beyond it.
        pairs: Whether the samples are paired by round.

    Returns:
        Samples per side, at least 6; times are taken to be lognormal.

    Raises:
        UserError: If the ratio lies within the threshold, so that no number of samples is enough.

    Source: Noether, Sample Size Determination for Some Common Nonparametric Tests (1987), for the Mann-Whitney test;
    for pairs, the signed-rank test, see `blocks_for_difference`.
    """
    check_share("power", power)
    check_share("alpha", alpha)
    _check_relative("cv", cv)
    sigma = math.sqrt(math.log1p(cv * cv))
    if pairs:
        return blocks_for_difference(sigma * math.sqrt(2), ratio, power, alpha, threshold=threshold)
    beyond, distance = distances(ratio, threshold)
    normal = NormalDist()
    z_power = normal.inv_cdf(power)
    above = normal.cdf(distance / (sigma * math.sqrt(2)))  # P(new > base)
    by_test = (normal.inv_cdf(1 - alpha / 2) + z_power) ** 2 / (6 * (above - 0.5) ** 2)
    by_threshold = 2 * math.pi / 3 * (max(z_power, 0.0) * sigma / (distance - beyond)) ** 2
    return max(_LEAST, math.ceil(max(by_test, by_threshold)))


def _check_relative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{name} {value!r} must be above 0")
