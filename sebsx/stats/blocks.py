"""Blocks: observations that share the luck of one sandbox are one unit, whose value is their median.

Calls of one sandbox are alike (its host, its hash seed, where its memory lies), so that sixty calls of one say no more
of the platform than one call of it, as soon as sandboxes differ. Estimators and tests therefore take one value of each
sandbox; this module makes them, says how much of the variance lies between sandboxes, and how many of them it takes.

Source: Cameron & Miller, A Practitioner's Guide to Cluster-Robust Inference (2015), section II; Kalibera & Jones,
Rigorous Benchmarking in Reasonable Time (ISMM 2013), section 8, on where to repeat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.stats.ranks import signed_ranks
from sebsx.stats.samples import UnusableSamplesError, as_array, check_share
from sebsx.stats.student import quantile_of_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.stats.samples import FloatArray, Values

LEAST_BLOCKS = 6  # below it no interval of 95 % exists: the smallest two-sided p of five is 2 / 32
_PRICE = math.pi / 2  # variance of a median against that of a mean, many normal observations
_RANK_PRICE = math.pi / 3  # the same of the Hodges-Lehmann estimate that belongs to a rank test
_NODES = 200  # of a numeric integral
_MOST_CALLS = 100  # of a block; more buy nothing that another block would not buy sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much observations differ between blocks and within them: standard deviations of their logarithms.

    Args:
        between: Of the blocks' true medians.
        within: Of the observations of one block; None where no block has two.
        blocks: How many blocks this was estimated from.
        calls: Observations of a block, harmonic mean.
    """

    between: float
    within: float | None
    blocks: int
    calls: float

    def of_block(self, calls: float) -> float:
        """Return the standard deviation of the logarithm of the median of a block of so many observations."""
        return math.sqrt(self.between**2 + _median_price(calls) * (self.within or 0.0) ** 2 / calls)


def block_medians(values: Values, blocks: NDArray[np.int32] | Sequence[int]) -> FloatArray:
    """Return the median of each block, in the order of the blocks' numbers.

    Args:
        values: Observations in any order; their unit is kept. One that was never answered is infinite.
        blocks: The block of each.

    Raises:
        UnusableSamplesError: If they differ in number, or an observation is not a number.
    """
    import numpy as np

    ordered, first, counts = _sorted(values, blocks)
    return np.asarray((ordered[first + (counts - 1) // 2] + ordered[first + counts // 2]) / 2)


def spread_of(values: Values, blocks: NDArray[np.int32] | Sequence[int]) -> Spread | None:
    """Return how much positive observations differ between blocks and within; None for fewer than two blocks.

    The variance between blocks is that of their medians, less what the observations within explain of it, and at least
    0.

    Raises:
        UnusableSamplesError: If an observation is not positive.

    Source: Searle, Casella & McCulloch, Variance Components (1992), section 3.6 (moments), with medians for means.
    """
    import numpy as np

    logs, first, counts = _sorted(np.log(as_array(values, positive=True)), blocks)
    if len(counts) < 2:
        return None
    calls = float(len(counts) / (1 / counts).sum())
    medians = (logs[first + (counts - 1) // 2] + logs[first + counts // 2]) / 2
    freedom = len(logs) - len(counts)
    within = None
    total = float(medians.var(ddof=1))
    if freedom:
        means = np.add.reduceat(logs, first) / counts
        within = math.sqrt(float(((logs - np.repeat(means, counts)) ** 2).sum()) / freedom)
        total = max(0.0, total - _median_price(calls) * within**2 / calls)
    return Spread(between=math.sqrt(total), within=within, blocks=len(counts), calls=calls)


def blocks_for_difference(
    deviation: float, ratio: float, power: float = 0.95, alpha: float = 0.05, *, threshold: float = 0.0
) -> int:
    """Return how many pairs of blocks find a difference, as `compare_samples` and `verdict` look for it in pairs.

    Args:
        deviation: Standard deviation of the logarithm of the ratio of a pair: of two blocks without anything in common
            sqrt(2) x `Spread.of_block`.
        ratio: True ratio of new to base that must be found, such as 1.1.
        power: Share of experiments that find it.
        alpha: Share of experiments without any difference in which the test may reject.
        threshold: Change below which a verdict is no regression; the ratio must lie beyond it.

    Returns:
        At least 6.

    Raises:
        UserError: If the ratio lies within the threshold, so that no number of blocks is enough.

    Source: Guenther, Sample Size Formulas for Normal Theory t Tests (1981), with the efficiency of the signed-rank
    test, 3 / pi (Hodges & Lehmann 1956), where the search begins; it ends where `_power_of_pairs` is enough.
    """
    check_share("power", power)
    check_share("alpha", alpha)
    beyond, distance = distances(ratio, threshold)
    if not (math.isfinite(deviation) and deviation >= 0):
        raise UserError(f"deviation {deviation!r} must be 0 or above")
    least = max(LEAST_BLOCKS, math.ceil(1 + math.log2(1 / alpha)))
    if not deviation:
        return least
    normal = NormalDist()
    z_power = normal.inv_cdf(power)
    z = normal.inv_cdf(1 - alpha / 2)
    by_test = _RANK_PRICE * ((z + z_power) * deviation / distance) ** 2 + z * z / 2
    by_threshold = _RANK_PRICE * (max(z_power, 0.0) * deviation / (distance - beyond)) ** 2
    n = max(least, math.floor(max(by_test, by_threshold)) - 2)
    while _power_of_pairs(n, deviation, beyond, distance, alpha) < power:
        n += max(1, n // 500)
    return n


def calls_per_block(found: Spread, block_cost: float, call_cost: float) -> int:
    """Return how many calls of a block make the most of a budget: sqrt(cost ratio x variance within / between).

    Args:
        found: From a pilot.
        block_cost: What another block costs before its first call that counts: the cold start, the warm-up, the wait.
        call_cost: What another call costs, in the same unit (seconds, USD or calls).

    Returns:
        1 to 100; 1 where nothing is known of the variance within.

    Source: Kalibera & Jones (2013), section 9.1; Cochran, Sampling Techniques (1977), section 10.6.
    """
    if not found.within:
        return 1
    if not found.between or call_cost <= 0:
        return _MOST_CALLS
    best = math.sqrt(max(block_cost, 0.0) / call_cost * _PRICE) * found.within / found.between
    return min(_MOST_CALLS, max(1, round(best)))


def distances(ratio: float, threshold: float) -> tuple[float, float]:
    """Return the logarithms of the threshold and of the ratio, as distances from no change.

    Raises:
        UserError: If the ratio is not positive or not beyond the threshold.
    """
    if not (math.isfinite(ratio) and ratio > 0):
        raise UserError(f"ratio {ratio!r} must be above 0")
    if not (math.isfinite(threshold) and threshold >= 0):
        raise UserError(f"threshold {threshold!r} must be 0 or above")
    distance, beyond = abs(math.log(ratio)), math.log1p(threshold)
    if distance - beyond < 1e-9:  # a distance of rounding errors
        raise UserError(f"a ratio of {ratio:g} is not beyond a threshold of {threshold:g}; no sample size can show it")
    return beyond, distance


def _power_of_pairs(n: int, deviation: float, beyond: float, distance: float, alpha: float) -> float:
    """Return the share of experiments of n pairs in which the test rejects and the estimate passes the threshold.

    The estimate is normal, the deviation that the test sees one of n - 1 degrees of freedom, and its level the exact
    one, which for few pairs is well below alpha. Where it rejects only if all differences have one sign, that is the
    share.
    """
    import numpy as np
    from scipy.special import chdtri, ndtr

    rank, coverage = signed_ranks(n, 1 - alpha)
    error = deviation * math.sqrt(_RANK_PRICE / n)
    seen = np.sqrt(chdtri(n - 1, (np.arange(_NODES) + 0.5) / _NODES) / (n - 1))
    least = np.maximum(beyond, quantile_of_t((1 + coverage) / 2, n - 1) * error * seen)
    found = float(ndtr((distance - least) / error).mean())
    return min(found, float(ndtr(distance / deviation)) ** n) if rank == 1 else found


def _median_price(calls: float) -> float:
    """Return the variance of a median against that of a mean: 1 for one observation, pi / 2 for many."""
    return _PRICE * calls / (calls + _PRICE - 1)


def _sorted(
    values: Values, blocks: NDArray[np.int32] | Sequence[int]
) -> tuple[FloatArray, NDArray[np.intp], NDArray[np.intp]]:
    """Return the observations by block and then by size, and of each block its first place and its length."""
    import numpy as np

    array, numbers = as_array(values, what="blocks", least=1, late=True), np.asarray(blocks)
    if len(array) != len(numbers):
        raise UnusableSamplesError(f"{len(array)} observations and {len(numbers)} blocks do not match")
    order = np.lexsort((array, numbers))
    _, first, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    return array[order], first, counts
