"""A verdict on two samples: how large the change is, how sure that is, and what follows for who has to decide."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from sebsx.errors import UserError
from sebsx.model.metrics import Better
from sebsx.stats.quantiles import median
from sebsx.stats.samples import UnusableSamplesError, check_share
from sebsx.stats.twosample import (
    LEAST,
    cliffs_delta,
    mann_whitney,
    numbered,
    paired_ratio_interval,
    ratio_interval,
    shift_interval,
    signed_rank,
    signed_rank_interval,
    told,
    wilcoxon,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.stats.samples import Values


POWER = 0.8  # of what is advised, where no other is named


class Verdict(StrEnum):
    """What a comparison comes to.

    `CHANGE` is a change of a metric of which neither direction is better. `INCOMPARABLE` never comes out of `verdict`:
    it is for two rows that were not measured alike.
    """

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    CHANGE = "change"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is known of the change from a base to a new sample, before anybody judges it.

    Args:
        ratio: New to base: Hodges-Lehmann centre of the ratios of pairs, or of all ratios without pairs. NaN, as its
            interval, where zeros or negative values leave no ratio (`compare_differences`): the shift decides then.
        low: Lower end of its interval.
        high: Upper end; infinite where it lies among what was never answered.
        confidence: Of the intervals, as asked for.
        p: Of the test that fits: Wilcoxon's signed-rank for pairs, else Mann-Whitney; not corrected for other rows.
        cliff: Cliff's delta, positive if new is larger; `magnitude` has the word for it.
        shift: The change in the unit of the samples, centre of the differences likewise.
        shift_low: Lower end of its interval.
        shift_high: Upper end.
        base_median: In the unit of the samples.
        new_median: In the unit of the samples.
        n_base: Observations.
        n_new: Observations.
        method: Whether the samples were taken as pairs.
        needed: About how many samples of each side would show in 80 % of experiments that nothing changed by the
            threshold, if nothing did (`needed_units`); None for a threshold of 0, and where too much was not answered.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    p: float
    cliff: float
    shift: float
    shift_low: float
    shift_high: float
    base_median: float
    new_median: float
    n_base: int
    n_new: int
    method: Literal["paired", "unpaired"]
    needed: int | None

    @property
    def by_shift(self) -> bool:
        """Whether there is no ratio, so that the difference decides."""
        return math.isnan(self.ratio)

    @property
    def certain(self) -> bool:
        """Whether the interval of what decides excludes that nothing changed."""
        if self.by_shift:
            return not self.shift_low <= 0 <= self.shift_high
        return not self.low <= 1 <= self.high

    def least_shift(self, threshold: float) -> float:
        """Return the smallest difference that matters: a share of the larger median, whichever side it is on."""
        return threshold * max(abs(self.base_median), abs(self.new_median))


def compare_samples(
    base: Values,
    new: Values,
    *,
    pairs: bool | None = None,
    confidence: float = 0.95,
    threshold: float = 0.05,
) -> Comparison:
    """Return what is known of the change from `base` to `new`.

    Args:
        base: At least 6 positive observations (8 pairs for 99 %); infinite where never answered, which is later than
            all that was, and no later than another such.
        new: As many.
        pairs: True if the i-th observations of both were measured together, as blocks of sandboxes that shared rounds
            (`block_medians`); None, not known, means no.
        confidence: Coverage of the intervals.
        threshold: Smallest change that matters, as a share; only `needed` depends on it.

    Raises:
        TooFewSamplesError: If there are fewer.
        UnusableSamplesError: If an observation is not a number or not positive, or pairs do not match in number.
    """
    check_share("confidence", confidence)
    _check_threshold(threshold)
    old_values = numbered(base, what="a comparison", least=LEAST, positive=True)
    new_values = numbered(new, what="a comparison", least=LEAST, positive=True)
    if pairs:
        ratio, interval = paired_ratio_interval(new_values, old_values, confidence)
        shift, shifts = signed_rank_interval(new_values - old_values, confidence)
        p = wilcoxon(new_values, old_values)
    else:
        ratio, interval = ratio_interval(new_values, old_values, confidence)
        shift, shifts = shift_interval(new_values, old_values, confidence)
        p = mann_whitney(new_values, old_values)
    n = min(len(old_values), len(new_values))
    bounded = interval.low > 0 and math.isfinite(interval.high)
    half = math.log(max(interval.high / ratio, ratio / interval.low)) if bounded else math.inf
    return Comparison(
        ratio=ratio, low=interval.low, high=interval.high, confidence=confidence, p=p,
        cliff=cliffs_delta(new_values, old_values), shift=shift, shift_low=shifts.low, shift_high=shifts.high,
        base_median=told(median(old_values)), new_median=told(median(new_values)),
        n_base=len(old_values), n_new=len(new_values),
        method="paired" if pairs else "unpaired", needed=needed_units(n, half, threshold, confidence),
    )  # fmt: skip


def compare_differences(
    base: Values,
    new: Values,
    *,
    pairs: bool | None = None,
    confidence: float = 0.95,
    threshold: float = 0.05,
) -> Comparison:
    """Return what is known of the change where zeros or negative values leave no ratio: its difference decides.

    Args:
        base: At least 6 observations; infinite where never answered.
        new: As many.
        pairs: As for `compare_samples`.
        confidence: Coverage of the interval.
        threshold: Smallest change that matters, as a share of the larger median; only `needed` depends on it.

    Raises:
        TooFewSamplesError: If there are fewer.
        UnusableSamplesError: If an observation is not a number, or pairs do not match in number.
    """
    check_share("confidence", confidence)
    _check_threshold(threshold)
    old_values = numbered(base, what="a comparison", least=LEAST)
    new_values = numbered(new, what="a comparison", least=LEAST)
    if pairs:
        if len(old_values) != len(new_values):
            raise UnusableSamplesError(f"{len(new_values)} and {len(old_values)} samples do not form pairs")
        differences = new_values - old_values
        shift, interval = signed_rank_interval(differences, confidence)
        p = signed_rank(differences)
    else:
        shift, interval = shift_interval(new_values, old_values, confidence)
        p = mann_whitney(new_values, old_values)
    n = min(len(old_values), len(new_values))
    found = Comparison(
        ratio=math.nan, low=math.nan, high=math.nan, confidence=confidence, p=p,
        cliff=cliffs_delta(new_values, old_values), shift=shift, shift_low=interval.low, shift_high=interval.high,
        base_median=told(median(old_values)), new_median=told(median(new_values)),
        n_base=len(old_values), n_new=len(new_values), method="paired" if pairs else "unpaired", needed=None,
    )  # fmt: skip
    limit, half = found.least_shift(threshold), max(interval.high - shift, shift - interval.low)
    share = half / limit * math.log1p(threshold) if 0 < limit < math.inf else math.inf
    return replace(found, needed=needed_units(n, share, threshold, confidence))


def verdict(
    comparison: Comparison,
    threshold: float = 0.05,
    p: float | None = None,
    *,
    better: Better | str = Better.LOWER,
    alpha: float | None = None,
) -> Verdict:
    """Return what a comparison comes to.

    A change is called one only if all three agree: the test rejects (`p` at most `alpha`), the interval of the ratio
    excludes 1, and the ratio is beyond the threshold, 1 + threshold or 1 / (1 + threshold). So neither a tiny but
    certain change nor a large but uncertain one is an alarm. Equivalent means that the whole interval lies within the
    threshold; all else is inconclusive, and more samples may decide it. Where there is no ratio, the same holds of the
    difference, with the threshold as a share of the larger median.

    Args:
        comparison: What `compare_samples` returned.
        threshold: Smallest change that matters, as a share.
        p: Its p value corrected for the number of rows judged (`holm`); that of the comparison by default.
        better: Direction of the metric, `lower`, `higher` or `neither`.
        alpha: Level of the test; 1 - confidence by default.
    """
    _check_threshold(threshold)
    direction = Better(better)
    level = 1 - comparison.confidence if alpha is None else alpha
    rejected = (comparison.p if p is None else p) <= level
    limit = 1 + threshold
    if comparison.by_shift:
        least = comparison.least_shift(threshold)
        larger = rejected and comparison.shift_low > 0 and comparison.shift >= least
        smaller = rejected and comparison.shift_high < 0 and comparison.shift <= -least
        same = -least <= comparison.shift_low and comparison.shift_high <= least
    else:
        larger = rejected and comparison.low > 1 and comparison.ratio >= limit
        smaller = rejected and comparison.high < 1 and comparison.ratio <= 1 / limit
        same = equivalent(comparison.low, comparison.high, threshold)
    if larger or smaller:
        if direction not in {Better.LOWER, Better.HIGHER}:
            return Verdict.CHANGE
        return Verdict.REGRESSION if larger == (direction is Better.LOWER) else Verdict.IMPROVEMENT
    if same:
        return Verdict.EQUIVALENT
    return Verdict.INCONCLUSIVE


def equivalent(low: float, high: float, threshold: float) -> bool:
    """Tell whether the interval of a ratio lies within [1 / (1 + threshold), 1 + threshold], ends included.

    The bounds are symmetric in the logarithm, so that swapping base and new changes nothing. With an interval of 95 %
    this is the two one-sided tests procedure at 2.5 %.

    Source: Schuirmann, A Comparison of the Two One-Sided Tests Procedure and the Power Approach (1987).
    """
    _check_threshold(threshold)
    return 1 / (1 + threshold) <= low and high <= 1 + threshold


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for being many, in the order given; compare each with alpha as usual.

    The chance of any false rejection among all stays at most alpha, whatever the dependence.

    Raises:
        UserError: If one does not lie between 0 and 1.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise UserError(f"p value {p!r} must lie between 0 and 1")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, row in enumerate(sorted(range(len(p_values)), key=lambda row: p_values[row])):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[row]))
        adjusted[row] = largest
    return adjusted


def needed_units(n: int, half: float, threshold: float, confidence: float, power: float = POWER) -> int | None:
    """Return how many units show that nothing changed by the threshold, where nothing did.

    Half the interval and the error of its centre must fit within the threshold together:
    n (half / ln(1 + threshold))^2 ((z + z_power) / z)^2, which at 95 % and a power of 80 % is 2.74 times what narrows
    the interval to the threshold.

    Args:
        n: Units that there are.
        half: Farther end of the interval from its centre, as a logarithm; infinite for None as the answer.
        threshold: Smallest change that matters, as a share; 0 for None as the answer.
        confidence: Of the interval.
        power: Share of experiments that come to this verdict.

    Source: Julious, Sample Sizes for Clinical Trials with Normal Data (2004), section 4 (equivalence).
    """
    if threshold == 0 or half == math.inf:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    factor = (z + NormalDist().inv_cdf((1 + power) / 2)) / z
    return max(LEAST, math.ceil(n * (factor * half / math.log1p(threshold)) ** 2))


def _check_threshold(threshold: float) -> None:
    if not (math.isfinite(threshold) and threshold >= 0):
        raise UserError(f"threshold {threshold!r} must be 0 or above, as a share: 0.05 is 5 %")
