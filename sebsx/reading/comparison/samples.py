"""Numbers of two conditions against each other: medians by rank, means of costs, shares of failures.

The units are sandboxes, or pairs of blocks of them (`sebsx.reading.blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.blocks import caution, sandboxes
from sebsx.reading.blocks import paired as pair_blocks
from sebsx.reading.estimates import between, late_side, median_estimate
from sebsx.reading.summaries import COST_PER_MILLION, ERRORS
from sebsx.stats import (
    LEAST_BLOCKS,
    Comparison,
    SamplesError,
    Share,
    TooFewSamplesError,
    UnusableSamplesError,
    compare_differences,
    compare_means,
    compare_samples,
    design_effect,
    share_difference,
)

if TYPE_CHECKING:
    from sebsx.model.frame import Numbers
    from sebsx.model.metrics import Metric
    from sebsx.reading.blocks import Observations
    from sebsx.reading.conditions import Condition
    from sebsx.stats import NotReachedError

_PER_MILLION = 1e6
NOTHING = Estimate(None)


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric on both sides.

    Args:
        statistic: `p50`, `mean` or `share`.
        base: Its estimate there.
        new: Its estimate there.
        comparison: What is known of the change; None where nothing can be said.
        p: Of the test; None where there is none.
        ratio: New to base with its interval.
        shift: The change in the metric's unit, with its interval.
        reason: Why there is no comparison.
    """

    statistic: str
    base: Estimate
    new: Estimate
    comparison: Comparison | None = None
    p: float | None = None
    ratio: Estimate = NOTHING
    shift: Estimate = NOTHING
    reason: str = ""


def measure(
    base: Condition,
    new: Condition,
    metric: Metric,
    *,
    paired: bool,
    alpha: float,
    threshold: float,
    apart: bool = False,
) -> MetricComparison | None:
    """Return one metric on both sides, or None if neither side has it.

    Args:
        base: One side.
        new: The other.
        metric: What to compare.
        paired: Whether sandboxes that share rounds are pairs.
        alpha: 1 - confidence of the intervals.
        threshold: Smallest change that matters, as a share.
        apart: Whether each call is taken as a unit, whatever sandbox it shares.
    """
    if metric is ERRORS:
        return _failures(base, new, alpha)
    old, young = observed(base, metric), observed(new, metric)
    if not len(old) and not len(young) and len(base.counted) + len(new.counted):
        return None
    if apart:
        old, young = old.apart(), young.apart()
    mean = metric.unit == "USD"
    confidence = 1 - alpha
    estimate = _mean_estimate if mean else partial(median_estimate, confidence=confidence)
    before, after = (
        condition.punctuality.believed(estimate(side), 0.5, metric.name)
        for condition, side in ((base, old), (new, young))
    )
    said = MetricComparison("mean" if mean else "p50", before, after)
    reason = _unusable(base, old, "base") or _unusable(new, young, "new") or _unreached(said)
    if reason:
        return replace(said, reason=reason)
    if not old.values.any() and not young.values.any():
        return replace(
            said, shift=Estimate(0.0, low=0.0, high=0.0, confidence=confidence), reason="always 0 on both sides"
        )
    values = _units(old, young, paired=paired, mean=mean)
    if few := _in_few(old, young, values):
        return _without_interval(said, values, few)
    return _compared(said, values, late_side(old, young), paired=paired, confidence=confidence, threshold=threshold)


def _compared(
    said: MetricComparison,
    values: tuple[Numbers, Numbers],
    late: NotReachedError,
    *,
    paired: bool,
    confidence: float,
    threshold: float,
) -> MetricComparison:
    """Return what is known of the change from the units of one side to those of the other."""
    try:
        compare = compare_means if said.statistic == "mean" else compare_samples
        try:
            found = compare(*values, pairs=paired, confidence=confidence, threshold=threshold)
        except UnusableSamplesError:  # no ratio with zeros: the difference decides
            found = compare_differences(*values, pairs=paired, confidence=confidence, threshold=threshold)
    except TooFewSamplesError as exc:
        return replace(said, reason=f"not enough data: {exc}")
    except SamplesError as exc:
        return replace(said, reason=f"no comparison: {exc}")
    n = min(found.n_base, found.n_new)
    ratio = between(found.ratio, found.low, found.high, late, confidence, n, least=0.0)
    return replace(
        said,
        comparison=found,
        p=found.p,
        ratio=NOTHING if found.by_shift else ratio,
        shift=between(found.shift, found.shift_low, found.shift_high, late, confidence, n),
    )


def _in_few(base: Observations, new: Observations, units: tuple[Numbers, Numbers]) -> str:
    """Return why nothing can be concluded from so few sandboxes, in words; empty where they are enough or as many."""
    import numpy as np  # heavy

    fewest = min(int(np.isfinite(side).sum()) for side in units)
    if fewest >= LEAST_BLOCKS or (base.singles and new.singles):
        return ""
    return caution(fewest if base.told and new.told else 0)


def _without_interval(said: MetricComparison, units: tuple[Numbers, Numbers], reason: str) -> MetricComparison:
    """Return a change as it was seen, with nothing said of how sure it is."""
    before, after = said.base.value, said.new.value
    assert before is not None
    assert after is not None
    n = min(map(len, units))
    ratio = Estimate(after / before, n=n) if before > 0 and after > 0 else NOTHING
    return replace(said, ratio=ratio, shift=Estimate(after - before, n=n), reason=reason)


def observed(condition: Condition, metric: Metric) -> Observations:
    """Return the values of a metric that count; costs are those of a million invocations."""
    if metric is COST_PER_MILLION:
        return condition.observed("cost_usd").times(_PER_MILLION)
    return condition.observed(metric.name)


def _units(base: Observations, new: Observations, *, paired: bool, mean: bool) -> tuple[Numbers, Numbers]:
    """Return a value of each unit: of each sandbox, or of each pair of blocks of sandboxes that share rounds."""
    sides = pair_blocks(base, new) if paired else (base, new)
    old, young = (side.means if mean else side.units for side in sides)
    return old, young


def _failures(base: Condition, new: Condition, alpha: float) -> MetricComparison | None:
    """Return the shares that failed, or None where nothing did."""
    old, young = ((sum(side.failed.values()), len(side.frame)) for side in (base, new))
    if not old[0] and not young[0]:
        return None
    said = MetricComparison("share", _share_estimate(*old), _share_estimate(*young))
    if not old[1] or not young[1]:
        return replace(said, reason="not enough data: a side has no invocation")
    effect = design_effect([(~side.frame.equals("status", "ok"), sandboxes(side.frame)) for side in (base, new)])
    before, after = (Share(count=failed, n=n).worth(effect) for failed, n in (old, young))
    found = share_difference(before, after, 1 - alpha)
    shift = Estimate(found.value, low=found.low, high=found.high, confidence=1 - alpha, n=min(old[1], young[1]))
    return replace(said, p=found.p, shift=shift)


def _share_estimate(failed: int, n: int) -> Estimate:
    return Estimate(failed / n, n=n) if n else Estimate(None, note="no samples")


def _unusable(condition: Condition, side: Observations, name: str) -> str:
    if len(side):
        return ""
    measured = len(condition.frame)
    if measured and measured == sum(condition.failed.values()):
        return f"not enough data: all {measured} invocations of {name} failed"
    if not len(condition.counted):
        return f"not enough data: none of the {measured} invocations of {name} counts"
    return f"not enough data: no invocation of {name} has this metric"


def _unreached(said: MetricComparison) -> str:
    """Return which median cannot be said, because it lies among what was not answered or is the load generator's own.

    Empty for none.
    """
    sides = (("base", said.base), ("new", said.new))
    return next((f"no comparison: the median of {name}: {one.note}" for name, one in sides if one.value is None), "")


def _mean_estimate(side: Observations) -> Estimate:
    return Estimate(float(side.values.mean()), n=len(side)) if len(side) else Estimate(None, note="no samples")
