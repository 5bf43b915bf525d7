"""What is compared, pair by pair, and how each is judged: measured, corrected for the others, put into words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sebsx.model import Design
from sebsx.reading.comparison.facts import PRICE_BOOK
from sebsx.reading.comparison.options import SANDBOX
from sebsx.reading.comparison.result import CHANGED, SEVERITY, Row
from sebsx.reading.comparison.samples import NOTHING, MetricComparison, measure
from sebsx.stats import POWER, Verdict, holm, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model.metrics import Metric
    from sebsx.reading.comparison.facts import Difference
    from sebsx.reading.comparison.options import Options
    from sebsx.reading.comparison.same_code import SameCode
    from sebsx.reading.conditions import Condition


@dataclass(frozen=True)
class Task:
    """A pair of conditions, what it is called, and what keeps it from being compared."""

    label: str
    base: Condition
    new: Condition
    differences: tuple[Difference, ...]
    allowed: tuple[Difference, ...]

    @cached_property
    def paired(self) -> bool:
        """Whether both sides were measured in the same rounds."""
        if self.base.run.id != self.new.run.id or self.base.run.design is not Design.RMIT:
            return False
        here, there = (set(side.frame.known("round").tolist()) for side in (self.base, self.new))
        return bool(here & there)


def judge(
    tasks: Sequence[Task],
    metrics: Sequence[Metric],
    options: Options,
    shown: Mapping[tuple[str, str], SameCode],
) -> list[Row]:
    """Return the rows, worst first."""
    rows: list[Row] = []
    judged: list[tuple[Task, Metric, MetricComparison]] = []
    for task in tasks:
        for metric in metrics:
            found = measure(
                task.base, task.new, metric,
                paired=task.paired, alpha=options.alpha, threshold=options.threshold_of(metric),
                apart=SANDBOX in options.allow,
            )  # fmt: skip
            if found is None:
                continue
            blocking = [item for item in task.differences if item.fact != PRICE_BOOK or metric.unit == "USD"]
            if blocking:
                rows.append(_incomparable(task, metric, found, blocking, options))
            else:
                judged.append((task, metric, found))
    tested = [found.p for _, _, found in judged if found.p is not None]
    adjusted = iter(holm(tested))
    for task, metric, found in judged:
        p = None if found.p is None else next(adjusted)
        same = shown.get((str(task.new.identity.get("platform")), metric.name))
        rows.append(_row(task, metric, found, p, len(tested), options, same))
    return sorted(rows, key=lambda row: (SEVERITY.index(row.verdict), -_size(row)))


def _incomparable(
    task: Task, metric: Metric, found: MetricComparison, blocking: Sequence[Difference], options: Options
) -> Row:
    facts = ",".join(item.fact for item in blocking)
    reason = f"{'; '.join(map(str, blocking))} (--allow {facts} compares anyway)"
    return Row(
        task.label, task.base.identity, metric, found.statistic, Verdict.INCOMPARABLE, reason, found.base, found.new,
        NOTHING, NOTHING, options.threshold_of(metric), None, None, None, "", tuple(blocking),
    )  # fmt: skip


def _row(
    task: Task,
    metric: Metric,
    found: MetricComparison,
    p: float | None,
    tests: int,
    options: Options,
    same: SameCode | None,
) -> Row:
    threshold = options.threshold_of(metric)
    if found.statistic == "share":
        said, reason = _judge_failures(found, metric, p, options)
    else:
        settings = task.new.run.settings.get("experiment", {})
        setting = next((f"--{name}" for name in ("sandboxes", "repetitions") if name in settings), "")
        said, reason = _judge_ratio(found, metric, p, tests, options, setting)
    comparison = found.comparison
    doubt = same.doubt(found.ratio.value) if same and said in CHANGED else ""
    return Row(
        task.label, task.base.identity, metric, found.statistic, said, reason, found.base, found.new, found.ratio,
        found.shift, threshold, found.p, p, comparison.cliff if comparison else None,
        comparison.method if comparison else "unpaired" if p is not None else "", doubt=doubt,
    )  # fmt: skip


def _judge_ratio(
    found: MetricComparison, metric: Metric, p: float | None, tests: int, options: Options, setting: str
) -> tuple[Verdict, str]:
    """Return the verdict with its reason; `setting` is the option that makes the samples more, empty for none."""
    comparison, threshold = found.comparison, options.threshold_of(metric)
    if comparison is None:
        same = found.shift.low == found.shift.high == 0
        return (Verdict.EQUIVALENT if same else Verdict.INCONCLUSIVE), found.reason
    said = verdict(comparison, threshold, p, better=metric.better, alpha=options.alpha)
    limit = f"{100 * threshold:g} %"
    if said is Verdict.EQUIVALENT:
        return said, f"the whole interval lies within {limit}"
    if said is not Verdict.INCONCLUSIVE:
        return said, f"beyond {limit}, and the test agrees"
    n = min(comparison.n_base, comparison.n_new)
    more = comparison.needed
    how = f" ({setting} {more})" if setting else ""
    advice = ""
    if more and more > n:
        noun = "sandboxes" if found.base.blocks is not None or found.new.blocks is not None else "samples"
        advice = f"; with about {more} {noun} a side, {100 * POWER:g} % of runs show it where nothing changed{how}"
    if not comparison.certain:
        return said, f"neither certainly a change nor certainly within {limit}{advice}"
    if p is not None and p > options.alpha:
        return said, f"not significant once corrected for {tests} tests{advice}"
    return said, f"a change, but neither certainly beyond {limit} nor certainly within{advice}"


def _judge_failures(found: MetricComparison, metric: Metric, p: float | None, options: Options) -> tuple[Verdict, str]:
    """Return the verdict on two shares of failures.

    A share that rose is a regression if Fisher's exact test says so, however small the rise, unless a threshold in
    points was set for it; equivalent if the interval of the difference lies within the threshold, in points.
    """
    change, threshold = found.shift.value, options.threshold_of(metric)
    if p is None or change is None or found.shift.low is None or found.shift.high is None:
        return Verdict.INCONCLUSIVE, found.reason
    if p <= options.alpha and abs(change) > (options.own_threshold(metric) or 0.0):
        return (Verdict.REGRESSION if change > 0 else Verdict.IMPROVEMENT), "Fisher's exact test tells the shares apart"
    if -threshold <= found.shift.low and found.shift.high <= threshold:
        return Verdict.EQUIVALENT, f"the whole interval lies within {100 * threshold:g} points"
    return Verdict.INCONCLUSIVE, "too few invocations to tell these shares of failures apart"


def _size(row: Row) -> float:
    """Return how large a change is, whatever its direction, to sort by."""
    if row.ratio.value is not None:
        return abs(math.log(row.ratio.value))
    return abs(row.shift.value or 0.0)
