"""reproducibility: can somebody else judge this run and do it again; twelve requirements, each with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Column, Finding, Report, Table, about_completeness
from sebsx.settings import NoSettings
from sebsx_quality.requirements import COLUMNS, REQUIREMENTS, Facts, Met, RequirementAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.runs import RunView

_COLUMNS = (
    Column("number", "no.", unit="count"),
    Column("requirement", "requirement"),
    Column("met", "met", meaning="yes, partly or no"),
    Column("evidence", "evidence", meaning="what is stored"),
    Column("missing", "missing", meaning="what is not, and how to provide it"),
)


class Reproducibility(Analyzer[NoSettings]):
    """Scores what a run stored against twelve requirements of a result that others can judge and repeat."""

    name: ClassVar[str] = "reproducibility"
    summary: ClassVar[str] = "what others need to judge and repeat a run: 12 requirements with their evidence"
    standard: ClassVar[bool] = True
    columns: ClassVar[Sequence[str]] = COLUMNS

    def analyze(self, runs: Sequence[RunView], settings: NoSettings) -> Report:
        """Return a table of the twelve for each run, and a finding with its score and one for what is missing."""
        tables, findings = [], list(about_completeness(runs))
        for place, view in enumerate(runs, 1):
            facts = Facts(view)
            answers = [(title, look(facts)) for title, look in REQUIREMENTS]
            rows = [_row(number, title, answer) for number, (title, answer) in enumerate(answers, 1)]
            name = "requirements" if len(runs) == 1 else f"requirements-{place}"
            tables.append(Table(name, columns=_COLUMNS, rows=rows, caption=f"run {view.run.id}"))
            findings += _findings(view.run.id, answers)
        return Report("Reproducibility", tables=tables, findings=findings, advisory=True)


def _row(number: int, title: str, answer: RequirementAnswer) -> dict[str, Any]:
    return {
        "number": number,
        "requirement": title,
        "met": answer.met.value,
        "evidence": "; ".join(answer.evidence),
        "missing": "; ".join(answer.missing),
    }


def _findings(run: str, answers: Sequence[tuple[str, RequirementAnswer]]) -> list[Finding]:
    met = [answer.met for _title, answer in answers]
    score, partly = met.count(Met.YES), met.count(Met.PARTLY)
    text = f"run {run}: {score} of {len(met)} requirements are met" + (f", {partly} partly" if partly else "")
    numbers = {"run": run, "score": score, "partly": partly, "of": len(met)}
    missing = [
        Finding(
            f"run {run}: {title}: {'; '.join(answer.missing)}",
            numbers={"run": run, "met": answer.met.value},
            warning=True,
        )
        for title, answer in answers
        if answer.met is not Met.YES
    ]
    return [Finding(text, numbers=numbers), *missing]
