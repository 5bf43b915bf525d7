"""What a calibration says: the points, the line through them, and the steps that take the run times asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Analyzer, Column, Finding, Report, Table, about_runs
from sebsx.errors import UserError
from sebsx.settings import NoSettings
from sebsx_calibrate.result import Calibrated, points_of, result_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView


class CalibrationAnalyzer(Analyzer[NoSettings]):
    """Reads runs of the experiment `calibrate`."""

    name = "calibration"
    summary = "the run times of a benchmark's steps on a platform, and the steps that take the run times asked for"

    def analyze(self, runs: Sequence[RunView], settings: NoSettings) -> Report:
        """Return the points of each run and the steps found."""
        found = [(view, _result(view)) for view in runs]
        return Report(
            "calibration",
            tables=list(map(points_table, runs)),
            findings=list(_findings(found)),
            answers=[in_words(result) for _, result in found if isinstance(result, Calibrated)],
        )


def points_table(view: RunView) -> Table:
    """Return the points of a run as a table: measured, and by the line where there is one."""
    result = _result(view)
    columns = [Column("value", result.calibration.parameter if isinstance(result, Calibrated) else "value")]
    columns += [Column("duration_s", "run time", unit="s"), Column("line_s", "line", unit="s"), Column("is", "is")]
    rows = [_row(value, took_s, result) for value, took_s in sorted(points_of(view))]
    return Table(f"points of {view.run.id}", columns=columns, rows=rows)


def _row(value: float, took_s: float, result: Calibrated | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"value": f"{value:g}", "duration_s": took_s, "line_s": None, "is": ""}
    found = result.calibration
    ends = {found.first: "step 1", found.last: f"step {found.count}"}
    line_s = result.fit.duration_s(value**found.growth)
    return {"value": f"{value:g}", "duration_s": took_s, "line_s": line_s, "is": ends.get(value, "")}


def in_words(result: Calibrated) -> str:
    """Return what was found in one sentence."""
    found = result.calibration
    return (
        f"{found.benchmark}: {found.parameter} from {found.first:g} to {found.last:g} gives {found.first_s:.3g} s to "
        f"{found.last_s:.3g} s on {found.platform} with {found.memory_mib} MiB; "
        f"R^2 of the line is {result.fit.r2:.4f}"
    )


def _findings(found: Sequence[tuple[RunView, Calibrated | str]]) -> Iterator[Finding]:
    yield from about_runs([view for view, _ in found])
    for view, result in found:
        if isinstance(result, str):
            yield Finding(result, numbers={"run": view.run.id}, warning=True)
            continue
        tolerance = view.run.settings["experiment"].get("tolerance")
        if tolerance is not None and result.error > tolerance:
            text = f"an end is {result.error:.0%} off what was asked for, more than the tolerance of {tolerance:.0%}"
            yield Finding(text, numbers={"run": view.run.id, "error": result.error}, warning=True)


def _result(view: RunView) -> Calibrated | str:
    """Return what a run came to, or why it cannot be said."""
    try:
        return result_of(view)
    except UserError as exc:
        return str(exc)
