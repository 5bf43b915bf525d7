"""What a calibration says: the points, the line through them, and the steps that give the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Analyzer, Column, Finding, Report, Table, about_runs
from sebsx.errors import UserError
from sebsx.settings import NoSettings
from sebsx_calibrate.outcome import Outcome, outcome_of, points_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView


class CalibrationAnalyzer(Analyzer[NoSettings]):
    """Reads runs of the experiment `calibrate`."""

    name = "calibration"
    summary = "the run times of a benchmark's steps on a platform, and the steps that give the target"

    def analyze(self, runs: Sequence[RunView], settings: NoSettings) -> Report:
        """Return the points of each run and the steps found."""
        return Report("calibration", tables=list(map(points_table, runs)), findings=list(_findings(runs)))


def points_table(view: RunView) -> Table:
    """Return the points of a run as a table: measured, and by the line where there is one."""
    outcome = _outcome(view)
    columns = [Column("value", outcome.calibration.parameter if isinstance(outcome, Outcome) else "value")]
    columns += [Column("duration_s", "run time", "s"), Column("line_s", "line", "s"), Column("is", "is")]
    rows = [_row(value, took_s, outcome) for value, took_s in sorted(points_of(view))]
    return Table(f"points of {view.run.id}", columns, rows)


def _row(value: float, took_s: float, outcome: Outcome | str) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"value": f"{value:g}", "duration_s": took_s, "line_s": None, "is": ""}
    found = outcome.calibration
    ends = {found.first: "step 1", found.last: f"step {found.count}"}
    line_s = outcome.fit.duration_s(value**found.growth)
    return {"value": f"{value:g}", "duration_s": took_s, "line_s": line_s, "is": ends.get(value, "")}


def in_words(outcome: Outcome) -> str:
    """Return what was found in one sentence."""
    found = outcome.calibration
    return (
        f"{found.parameter} from {found.first:g} to {found.last:g} gives {found.first_s:.3g} s to {found.last_s:.3g} s "
        f"on {found.platform} with {found.memory_mib} MiB; R^2 of the line is {outcome.fit.r2:.4f}"
    )


def _findings(runs: Sequence[RunView]) -> Iterator[Finding]:
    yield from about_runs(runs)
    for view in runs:
        outcome = _outcome(view)
        if isinstance(outcome, str):
            yield Finding(outcome, {"run": view.run.id}, warning=True)
            continue
        yield Finding(in_words(outcome), {"run": view.run.id, "error": outcome.error})
        tolerance = view.run.settings["experiment"].get("tolerance")
        if tolerance is not None and outcome.error > tolerance:
            text = f"an end is {outcome.error:.0%} off the target, more than the tolerance of {tolerance:.0%}"
            yield Finding(text, {"run": view.run.id, "error": outcome.error}, warning=True)


def _outcome(view: RunView) -> Outcome | str:
    """Return what a run came to, or why it cannot be said."""
    try:
        return outcome_of(view)
    except UserError as exc:
        return str(exc)
