"""stability: does a condition hold still while it is measured, and if not, what moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Column, Figure, Finding, Report, Table, about_completeness
from sebsx.reading.conditions import caption, conditions, identity_columns, labels, level
from sebsx.stats import holm
from sebsx_quality.study import NOTHING, STABLE, TOO_FEW, StabilitySettings, Study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView

_SHAPE = (
    Column("n", "n", unit="count", meaning="values that count"),
    Column("span_s", "span", unit="s", meaning="from the first to the last"),
    Column("cv", "CV", unit="1", meaning="standard deviation over mean"),
    Column("outliers", "outliers", unit="1", meaning="share beyond three interquartile ranges"),
    Column("drift", "drift", unit="1", meaning="change from start to end by the trend, as a share of the median"),
    Column("per_hour", "per hour", unit="1", meaning="the same for an hour, where it was measured that long"),
    Column("changes", "changes", unit="count", meaning="changes of level that stand the correction"),
    Column("warm_up", "first calls", meaning="first tenth of the calls of a sandbox over the rest"),
    Column("modes", "modes", unit="count", meaning="kinds of values"),
    Column("by_cpu", "by CPU", unit="1", meaning="share of the spread of ranks between CPU models"),
    Column("by_sandbox", "by sandbox", unit="1", meaning="share of the spread of ranks between sandboxes"),
    Column("verdict", "verdict"),
)
_CHANGES = (
    Column("at_s", "at", unit="s", meaning="since the first invocation of the condition"),
    Column("sequence", "sequence", unit="count", meaning="first invocation of the new level"),
    Column("before_s", "before", unit="s", meaning="median"),
    Column("after_s", "after", unit="s", meaning="median"),
    Column("ratio", "after / before"),
)
_MODELS = (
    Column("cpu_model", "CPU model"),
    Column("sandboxes", "sandboxes", unit="count"),
    Column("n", "n", unit="count"),
    Column("median_s", "median", unit="s", meaning="with its interval"),
)


class Stability(Analyzer[StabilitySettings]):
    """Drift, changes of level, warm-up, modes and outliers, and whether CPU models or sandboxes explain them."""

    name: ClassVar[str] = "stability"
    summary: ClassVar[str] = "drift, jumps, warm-up and modes, and whether CPU models or sandboxes explain them"
    standard: ClassVar[bool] = True
    columns: ClassVar[Sequence[str]] = ("sandbox_id",)
    Settings: ClassVar[type[Any]] = StabilitySettings

    def analyze(self, runs: Sequence[RunView], settings: StabilitySettings) -> Report:
        """Return what holds still and what does not, condition by condition."""
        found = conditions(runs, more=self.columns)
        models = {view.run.id: _cpu_models(view) for view in runs}
        studies = [
            Study(condition, name, models[condition.run.id], settings)
            for condition, name in zip(found, labels(found), strict=True)
        ]
        _correct(studies)
        identity = identity_columns(found)
        shape = [{**_identity(study, identity), **study.row} for study in studies]
        tables = [Table("stability", columns=(*identity, *_SHAPE), rows=shape, caption=caption(found))]
        changes = [{**_identity(study, identity), **row} for study in studies for row in study.change_rows()]
        if changes:
            tables.append(
                Table("changes", columns=(*identity, *_CHANGES), rows=changes, caption="where the level changed")
            )
        strata = [{**_identity(study, identity), **row} for study in studies for row in study.model_rows()]
        if strata:
            tables.append(
                Table("cpu-models", columns=(*identity, *_MODELS), rows=strata, caption="medians on each CPU model")
            )
        findings = [*about_completeness(runs), *(finding for study in studies for finding in study.findings())]
        findings += _in_short(studies, settings)
        return Report(
            "Stability", tables=tables if found else (), figures=_figures(studies, settings), findings=findings
        )


def _cpu_models(view: RunView) -> dict[tuple[int, str], str]:
    return {
        (item.deployment_id, item.sandbox_id): str(item.facts["cpu_model"])
        for item in view.sandboxes()
        if item.facts.get("cpu_model")
    }


def _correct(studies: Sequence[Study]) -> None:
    """Correct the tests of all conditions together: a thousand of them would else give fifty false alarms."""
    made = [(study, name, p) for study in studies for name, p in study.tests()]
    for (study, name, _p), corrected in zip(made, holm([p for _study, _name, p in made]), strict=True):
        study.p[name] = corrected


def _identity(study: Study, columns: Sequence[Column]) -> dict[str, Any]:
    return {column.key: level(study.condition, column.key) for column in columns}


def _in_short(studies: Sequence[Study], settings: StabilitySettings) -> Iterator[Finding]:
    """Yield how many conditions are stable, and what could not be told or shown."""
    told = [study for study in studies if study.drift]
    stable, quiet = (sum(study.verdict == word for study in told) for word in (STABLE, NOTHING))
    if told:
        text = f"{stable} of {len(told)} conditions are stable"
        hidden = f"; of {quiet} nothing is certain, but too little is known to call them so" if quiet else ""
        yield Finding(text + hidden, numbers={"stable": stable, "nothing_found": quiet, "n": len(told)})
    if len(told) < len(studies):
        few = len(studies) - len(told)
        text = f"{few} of {len(studies)} conditions have fewer than 10 samples: {TOO_FEW} to tell stability"
        yield Finding(text, numbers={"count": few}, warning=True)
    restless = sum(study.restlessness[0] > 0 for study in told)
    if restless > settings.figures:
        yield Finding(f"the {settings.figures} least stable of {restless} conditions that are not stable are drawn")


def _figures(studies: Sequence[Study], settings: StabilitySettings) -> list[Figure]:
    """Return the conditions in which something was found over time, the worst first; the least stable one at least."""
    ordered = sorted((study for study in studies if study.drift), key=lambda study: study.restlessness, reverse=True)
    restless = sum(study.restlessness[0] > 0 for study in ordered)
    drawn = ordered[: min(max(1, restless), settings.figures)]
    return [study.figure(f"series-{place}") for place, study in enumerate(drawn, 1)]
