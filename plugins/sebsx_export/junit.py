"""JUnit XML of runs: a test case per condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.model import RunStatus
from sebsx.reading.gate import judged
from sebsx.reading.junit import ERROR, FAILURE, PASSED, SKIPPED, Case, Suite, document
from sebsx.reading.units import show
from sebsx_export.figures import Series, read_series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.reading.gate import Judgement

_EXAMPLES = 3


class JUnitExporter(Exporter):
    """A suite per run and place, a case per condition, its time the median latency.

    Failed invocations make an `error`, with examples of what they said; an invalid measurement, or one without a
    measured invocation, is `skipped` with the reason; anything else is passed, with its figures as output. A run that
    failed, or was unsuccessful, is an `error` itself. Thresholds (`--fail-if`) are a suite of each run: one that is
    crossed is a `failure`, one that cannot be judged is `skipped`.
    """

    name: ClassVar[str] = "junit"
    summary: ClassVar[str] = "a test case per condition as JUnit XML; failed invocations are errors"
    suffix: ClassVar[str] = ".junit.xml"
    chooses: ClassVar[frozenset[str]] = frozenset({"fail-if"})

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file."""
        by_suite: dict[tuple[str, str], list[Series]] = {}
        for item in read_series(runs, more=("error",)):
            by_suite.setdefault((item.source.run, item.place), []).append(item)
        suites = [
            Suite(
                name=place,
                cases=[_case(item) for item in members],
                timestamp=members[0].source.started_at.partition("+")[0],
                properties={f"sebsx.{key}": word for key, word in members[0].source.words.items()},
            )
            for (_, place), members in by_suite.items()
        ]
        measured = {run for run, _ in by_suite}
        suites += [_of_run(view) for view in runs if view.run.id not in measured or _has_failed(view)]
        suites += [suite for view in runs for suite in _thresholds(view, selection)]
        with replacing(destination) as part:
            part.write_text(document("sebsx", suites), encoding="utf-8")
        return [destination]


def _case(series: Series) -> Case:
    latency = next((it.estimate.value for it in series.summaries if it.name == "client.latency_s.p50"), None)
    outcome, kind, message = _outcome(series)
    said = [f"{item.name} {show(item.estimate, item.metric.unit)}, n={item.estimate.n}" for item in series.summaries]
    lines = [message, *_errors(series), f"measured {series.measured}, failed {series.failed}", series.note, *said]
    return Case(
        classname=f"{series.place}/{series.benchmark}",
        name=f"{series.benchmark} {series.start} {series.place}",
        time_s=latency or 0.0,
        outcome=outcome,
        kind=kind,
        message=message,
        body="\n".join([*filter(None, lines), *(f"{key}: {word}" for key, word in series.source.words.items())]),
    )


def _outcome(series: Series) -> tuple[str, str, str]:
    if series.failed:
        words = ", ".join(f"{n} {status}" for status, n in sorted(series.condition.failed.items()))
        return ERROR, "failed invocations", f"{series.failed} of {series.measured} measured invocations failed: {words}"
    if series.condition.invalid:
        return SKIPPED, "invalid", f"invalid measurement: {series.condition.invalid}"
    if not len(series.condition.counted):
        return SKIPPED, "no samples", "no measured invocation counts"
    return PASSED, "", ""


def _errors(series: Series) -> list[str]:
    frame = series.condition.frame
    return [f"for example: {error}" for error in sorted(filter(None, frame.tally("error")))[:_EXAMPLES]]


def _thresholds(view: RunView, selection: Selection) -> Iterator[Suite]:
    """Yield the suite of a run's gate: a case for each threshold and condition."""
    told = judged(selection.fail_if or view.run.settings.get("fail_if", ()), [view], view.metrics())
    if told:
        yield Suite(f"thresholds of run {view.run.id}", [_threshold(each) for each in told])


def _threshold(each: Judgement) -> Case:
    outcome = {True: FAILURE, False: PASSED, None: SKIPPED}[each.crossed]
    return Case(
        classname="thresholds",
        name=f"{each.threshold.text} {each.condition}",
        time_s=each.estimate.value or 0.0 if each.threshold.metric.unit == "s" else 0.0,
        outcome=outcome,
        kind="" if outcome is PASSED else f"threshold {each.verdict}",
        message="" if outcome is PASSED else each.sentence if each.crossed else each.reason,
        body=each.sentence,
    )


def _has_failed(view: RunView) -> bool:
    return view.status in (RunStatus.FAILED, RunStatus.UNSUCCESSFUL)


def _of_run(view: RunView) -> Suite:
    """Return a suite whose only case is the run itself: it failed as a whole, or has no figures."""
    run = view.run
    outcome, kind, message = SKIPPED, "no samples", "no measured invocation"
    if _has_failed(view):
        outcome, kind = ERROR, run.status.value
        message = f"the run is {run.status.value}: {run.error or 'no reason given'}"
    case = Case(classname="sebsx", name=f"run {run.id}", time_s=0.0, outcome=outcome, kind=kind, message=message)
    return Suite(run.id, [case])
