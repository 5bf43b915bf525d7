"""JUnit XML of runs: a test case per condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.model import RunStatus
from sebsx.reading.junit import ERROR, PASSED, SKIPPED, Case, Suite, document
from sebsx.reading.units import show
from sebsx_export.figures import Series, read_series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView

_EXAMPLES = 3


class JUnitExporter(Exporter):
    """A suite per run and place, a case per condition, its time the median latency.

    Failed invocations make an `error`, with examples of what they said; an invalid measurement, or one without a
    measured invocation, is `skipped` with the reason; anything else is passed, with its figures as output. A run that
    failed, or was unsuccessful, is an `error` itself.
    """

    name: ClassVar[str] = "junit"
    summary: ClassVar[str] = "a test case per condition as JUnit XML; failed invocations are errors"
    suffix: ClassVar[str] = ".junit.xml"

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
