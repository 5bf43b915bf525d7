"""The gate of a run: thresholds held against what was measured, beside comparisons, which tell a change from noise.

Each is held against every condition that its words name. A quantile that so few samples cannot tell is refused, never
passed; shares of failures and costs are held as they were observed, of however few invocations.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Estimate, Table
from sebsx.errors import ThresholdError, UnknownNameError, UserError
from sebsx.model import StartType
from sebsx.reading.believed import quantile_of
from sebsx.reading.conditions import conditions, labels
from sebsx.reading.estimates import mean_estimate
from sebsx.reading.saved_prices import SavedPrices
from sebsx.reading.summaries import COST_PER_MILLION, ERRORS
from sebsx.reading.thresholds import Threshold, words_of
from sebsx.reading.units import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Plan
    from sebsx.model.metrics import Metric
    from sebsx.reading.conditions import Condition


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A threshold held against one condition.

    Args:
        threshold: The threshold.
        run: The run of the condition.
        condition: Its name among those of its runs.
        identity: Its levels.
        estimate: The figure.
        crossed: None where it cannot be known.
        reason: Why not, or why it is crossed without a number; else empty.
    """

    threshold: Threshold
    run: str
    condition: str
    identity: Mapping[str, Any]
    estimate: Estimate
    crossed: bool | None
    reason: str

    @property
    def value(self) -> str:
        """The figure as people read it: `412 ms [390, 450]`."""
        return show(self.estimate, self.threshold.metric.unit)

    @property
    def verdict(self) -> str:
        """What became of it, in words."""
        return {True: "crossed", False: "kept", None: "not known"}[self.crossed]

    @property
    def sentence(self) -> str:
        """What was found: `p95 of client.latency_s of echo warm is 412 ms [390, 450]`."""
        is_ = f"is {self.value}" if self.estimate.value is not None else self.reason
        return f"{self.threshold.name} of {self.condition} {is_}".replace("  ", " ")

    def document(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        threshold = self.threshold
        return {
            "threshold": threshold.text, "metric": threshold.metric.name, "unit": threshold.metric.unit,
            "quantile": threshold.q, "above": threshold.above, "limit": threshold.limit, "run": self.run,
            "condition": self.identity, "name": self.condition, "estimate": self.estimate, "crossed": self.crossed,
            "reason": self.reason,
        }  # fmt: skip


def judged(texts: Iterable[str], views: Sequence[RunView], metrics: Mapping[str, Metric]) -> list[Judgement]:
    """Return what becomes of thresholds: each with every condition of some runs that it is for, in their order.

    Raises:
        UserError: If one cannot be read, or is for no condition.
    """
    thresholds = [Threshold.parse(text, metrics) for text in texts]
    if not thresholds:
        return []
    found = conditions(views, list(dict.fromkeys(threshold.metric.name for threshold in thresholds)))
    prices = SavedPrices(views)
    told = []
    for threshold in thresholds:
        meant = [
            (each, label) for each, label in zip(found, labels(found), strict=True) if threshold.names(each.identity)
        ]
        if found and not meant:
            raise _unknown(threshold, (each.identity for each in found))
        told += [_judge(threshold, each, label, prices) for each, label in meant]
    return told


def check(texts: Iterable[str], plan: Plan, metrics: Mapping[str, Metric]) -> None:
    """Refuse thresholds that a run cannot answer, before anything is measured.

    Raises:
        UserError: If one cannot be read, is for no cell, or takes more invocations than the plan has.
    """
    for threshold in (Threshold.parse(text, metrics) for text in texts):
        meant = [cell for cell in plan.supported if threshold.names({**cell.factors, "": StartType.RESTORED})]
        if plan.supported and not meant:
            raise _unknown(threshold, (cell.factors for cell in plan.cells))
        few = min((cell.invocations for cell in meant if cell.invocations), default=threshold.needed)
        if few < threshold.needed:
            raise UserError(
                f"--fail-if {threshold.text!r} needs at least {threshold.needed} invocations of each condition and "
                f"{few} are planned; take more with --repetitions {threshold.needed}"
            )


def table(told: Sequence[Judgement]) -> Table:
    """Return what became of thresholds as a table."""
    columns = [
        Column("threshold", "threshold", essential=True),
        Column("condition", "condition", essential=True),
        Column("value", "value", essential=True),
        Column("verdict", "verdict", essential=True),
        Column("reason", "why"),
    ]
    rows = [
        {
            "threshold": each.threshold.text, "condition": each.condition, "value": each.value,
            "verdict": each.verdict, "reason": each.reason,
        }
        for each in told
    ]  # fmt: skip
    return Table("thresholds", columns=columns, rows=rows)


def raise_for(told: Sequence[Judgement], texts: Sequence[str]) -> None:
    """Turn what became of thresholds into the exit code of a gate.

    Raises:
        ThresholdError: If one is crossed; in one sentence by what, the worst first.
        UserError: If one cannot be known, or nothing was measured that it could be held against: no gate is passed so.
    """
    crossed = [each for each in told if each.crossed]
    if crossed:
        worst = max(crossed, key=_excess)
        counts = Counter(each.threshold.text for each in crossed)
        more = f"; {_counted(counts, told)}" if len(crossed) > 1 else ""
        raise ThresholdError(f"--fail-if {worst.threshold.text}: {worst.sentence}{more}")
    unknown = [each for each in told if each.crossed is None]
    if unknown:
        first = unknown[0]
        raise UserError(f"--fail-if {first.threshold.text} cannot be judged for {first.condition}: {first.reason}")
    if texts and not told:
        raise UserError(f"--fail-if {texts[0]} cannot be judged: nothing was measured")


def _counted(counts: Counter[str], told: Sequence[Judgement]) -> str:
    """Return how often each threshold is crossed: `p95>300ms is crossed by 2 of 3 conditions`."""
    return ", ".join(
        f"{text} is crossed by {n} of {sum(each.threshold.text == text for each in told)} conditions"
        for text, n in counts.items()
    )


def _excess(judgement: Judgement) -> float:
    """Return by how much a threshold is crossed, as a ratio; what has no number is worst."""
    value, limit = judgement.estimate.value, judgement.threshold.limit
    if value is None:
        return float("inf")
    larger, smaller = (value, limit) if judgement.threshold.above else (limit, value)
    return larger / smaller if smaller > 0 else float("inf")


def _judge(threshold: Threshold, condition: Condition, label: str, prices: SavedPrices) -> Judgement:
    estimate = _MEASURED.get(threshold.metric.name, _quantile)(threshold, condition, prices)
    crossed, reason = _crossed(threshold, estimate, condition)
    return Judgement(
        threshold=threshold, run=condition.run.id, condition=label or condition.run.id, identity=condition.identity,
        estimate=estimate, crossed=crossed, reason=reason,
    )  # fmt: skip


def _crossed(threshold: Threshold, estimate: Estimate, condition: Condition) -> tuple[bool | None, str]:
    """Return whether a threshold is crossed, None where that cannot be known, and why."""
    if condition.invalid:
        return None, f"the measurement is invalid: {condition.invalid}"
    if threshold.q is not None and estimate.n < threshold.needed:
        return None, (
            f"{threshold.name} needs at least {threshold.needed} invocations and there are {estimate.n}; "
            f"take more with --repetitions {threshold.needed}"
        )
    if estimate.value is None:
        late = estimate.unserved is not None  # later than all that was answered
        return (threshold.above, estimate.note) if late else (None, estimate.note or "nothing has it")
    crossed = estimate.value > threshold.limit if threshold.above else estimate.value < threshold.limit
    if crossed and condition.doubt and threshold.metric is not ERRORS:
        return None, condition.doubt
    return crossed, ""


def _unknown(threshold: Threshold, levels: Iterable[Mapping[str, Any]]) -> UserError:
    known = sorted({word for each in levels for word in words_of(each)})
    missing = next((word for word in threshold.words if word not in known), None)
    if missing is None:
        return UserError(f"--fail-if {threshold.text!r}: no condition is {' and '.join(threshold.words)} at once")
    return UnknownNameError(f"--fail-if {threshold.text!r}: level", missing, known, f"there are {', '.join(known)}")


def _quantile(threshold: Threshold, condition: Condition, _prices: SavedPrices) -> Estimate:
    """Return a quantile, in which what was not answered is later than all that was."""
    return quantile_of(condition, threshold.metric.name, threshold.q or 0.5)


def _errors(_threshold: Threshold, condition: Condition, _prices: SavedPrices) -> Estimate:
    """Return the share of the measured invocations that failed."""
    n = len(condition.frame)
    return Estimate(condition.unserved / n, n=n) if n else Estimate(None, note="nothing was measured")


def _cost(_threshold: Threshold, condition: Condition, prices: SavedPrices) -> Estimate:
    """Return the mean cost of a million invocations, by the prices of the run or those that were saved with it."""
    saved = prices.of(condition)
    if saved is not None:
        return replace(saved.million(), note=f"by the prices of {saved.prices}")
    found = mean_estimate(condition.observed("cost_usd"), 1e6, 0.95)
    return found if found.value is not None else replace(found, note="no price is known; name one with --price-as")


_MEASURED: Mapping[str, Callable[[Threshold, Condition, SavedPrices], Estimate]] = {
    ERRORS.name: _errors, COST_PER_MILLION.name: _cost,
}  # fmt: skip
