"""The analyzer `failures`: how invocations ended, per condition."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Analyzer, Column, Finding, Report, Table
from sebsx.model import Status
from sebsx.settings import setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.runs import RunView

_COLUMNS = (
    Column("run", "run"),
    Column("cell", "condition"),
    Column("invocations", "n", unit="count", meaning="measured and warm-up"),
    Column("failed", "failed", unit="1", meaning="share of invocations that did not end well"),
    Column("statuses", "how", meaning="failures by status"),
)


@dataclass(frozen=True)
class FailuresSettings:
    """Settings of the analyzer `failures`."""

    tolerated: float = setting(0.01, help="share of failures that is not worth a warning", minimum=0)


class FailuresAnalyzer(Analyzer[FailuresSettings]):
    """Counts invocations by status."""

    name = "failures"
    summary = "how invocations ended, per condition"
    Settings = FailuresSettings

    def analyze(self, runs: Sequence[RunView], settings: FailuresSettings) -> Report:
        """Return one row per cell, and a warning for each that fails too often."""
        rows: list[dict[str, Any]] = []
        findings: list[Finding] = []
        for view in runs:
            if not view.cells():
                findings.append(Finding(f"run {view.run.id} has no invocations", warning=True))
            factors = view.factors
            for cell in view.cells():
                counts = Counter(invocation.status for invocation in view.invocations(cell_id=cell.id))
                row = _row(view.run.id, factors.label(cell.factors), counts)
                rows.append(row)
                if row["failed"] is not None and row["failed"] > settings.tolerated:
                    findings.append(Finding(f"{row['failed']:.1%} of {row['cell']} failed", numbers=row, warning=True))
            if str(view.status) != "finished":
                findings.append(Finding(f"run {view.run.id} is {view.status}", warning=True))
        return Report(
            "How invocations ended", tables=(Table("failures", columns=_COLUMNS, rows=rows),), findings=findings
        )


def _row(run: str, cell: str, counts: Counter[Status]) -> dict[str, Any]:
    total = counts.total()
    failures = {status.value: count for status, count in sorted(counts.items()) if status is not Status.OK}
    return {
        "run": run,
        "cell": cell,
        "invocations": total,
        "failed": sum(failures.values()) / total if total else None,
        "statuses": ", ".join(f"{count} {status}" for status, count in failures.items()),
    }
