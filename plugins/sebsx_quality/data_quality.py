"""data-quality: is anything wrong with what a run stored, in which rows, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Column, Finding, Report, Table, about_completeness
from sebsx_quality.checks import COLUMNS, ROW_CHECKS, Check, DataQualitySettings, Outcome, Result, RowCheck
from sebsx_quality.run_checks import RUN_CHECKS, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Run

_COLUMNS = (
    Column("check", "check"),
    Column("result", "result", meaning="pass, warn, fail, or not checkable"),
    Column("checked", "checked", unit="count", meaning="how many were looked at"),
    Column("bad", "bad", unit="count", meaning="how many of them are wrong"),
    Column("unit", "of"),
    Column("note", "what was found, or why nothing could be checked"),
)
_WORST = (Result.FAIL, Result.WARN, Result.PASS, Result.NOT_CHECKABLE)


class DataQuality(Analyzer[DataQualitySettings]):
    """Every check with what it looked at and found; nothing passes because data is missing."""

    name: ClassVar[str] = "data-quality"
    summary: ClassVar[str] = "what is wrong with the data, in which rows, and what to do"
    standard: ClassVar[bool] = True
    columns: ClassVar[Sequence[str]] = COLUMNS
    Settings: ClassVar[type[Any]] = DataQualitySettings

    def analyze(self, runs: Sequence[RunView], settings: DataQualitySettings) -> Report:
        """Return a table of all checks, and a finding for each that a run does not pass."""
        found: list[tuple[Run, list[Outcome]]] = []
        for view in runs:
            evidence = Evidence(view, settings)  # a run at a time, so that no two lie in memory
            found.append((view.run, _outcomes(evidence)))
        checks = [check for check, _look in (*ROW_CHECKS, *RUN_CHECKS)]
        rows = [
            _row(check, [(run, items[place]) for run, items in found]) for place, check in enumerate(checks) if found
        ]
        findings = [
            *about_completeness(runs),
            *(_finding(run, item) for run, items in found for item in items if item.bad),
        ]
        if runs:
            findings.append(_tally(rows))
        table = Table("checks", columns=_COLUMNS, rows=rows, caption="what was looked for in the data")
        return Report("Quality of the data", tables=[table], findings=findings)


def _outcomes(evidence: Evidence) -> list[Outcome]:
    return [
        *(_look_at_rows(evidence, check, look) for check, look in ROW_CHECKS),
        *(look(evidence, check) for check, look in RUN_CHECKS),
    ]


def _look_at_rows(evidence: Evidence, check: Check, look: RowCheck) -> Outcome:
    import numpy as np  # heavy

    frame = evidence.frame
    if not len(frame):
        return Outcome(check, 0, note="no invocations")
    with np.errstate(invalid="ignore"):  # infinity minus infinity, which a check of its own reports
        applies, bad = look(frame, evidence.settings)
    bad = applies & bad
    where, sequences = evidence.places(bad) if bad.any() else ("", ())
    return Outcome(check, int(applies.sum()), int(bad.sum()), where, sequences)


def _row(check: Check, found: Sequence[tuple[Run, Outcome]]) -> Mapping[str, Any]:
    results = [outcome.result for _run, outcome in found]
    result = next(word for word in _WORST if word in results)
    return {
        "check": check.name,
        "result": result.value,
        "checked": sum(outcome.checked for _run, outcome in found),
        "bad": sum(outcome.bad for _run, outcome in found),
        "unit": check.unit,
        "note": "; ".join(_notes(check, found)),
    }


def _notes(check: Check, found: Sequence[tuple[Run, Outcome]]) -> Iterator[str]:
    """Yield what the table says of a check: what is wrong, and in which runs it could not look."""
    if any(outcome.bad for _run, outcome in found):
        yield check.title
    blind = [(run, outcome.note or check.missing) for run, outcome in found if not outcome.checked]
    if len(blind) == len(found):
        yield from dict.fromkeys(why for _run, why in blind)
    else:
        yield from (f"not checkable in run {run.id}: {why}" for run, why in blind)


def _finding(run: Run, outcome: Outcome) -> Finding:
    check = outcome.check
    where = f" ({outcome.where})" if outcome.where else ""
    text = f"run {run.id}: {outcome.bad} of {outcome.checked} {check.unit} {check.title}{where}: {check.advice}"
    numbers = {
        "run": run.id,
        "check": check.name,
        "result": outcome.result.value,
        "checked": outcome.checked,
        "bad": outcome.bad,
        "sequences": list(outcome.sequences),
    }
    return Finding(text, numbers=numbers, warning=True)


def _tally(rows: Sequence[Mapping[str, Any]]) -> Finding:
    counts = {word.value: sum(row["result"] == word.value for row in rows) for word in Result}
    blind = [row["check"] for row in rows if row["result"] == Result.NOT_CHECKABLE.value]
    text = f"{counts['pass']} checks pass, {counts['warn']} warn, {counts['fail']} fail"
    if blind:
        text += f", {len(blind)} had nothing to look at ({', '.join(blind)})"
    return Finding(text, numbers=counts)
