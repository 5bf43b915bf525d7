"""The contract of an analyzer: what stored runs say, as data that tables, pages and gates render."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sebsx.model import CellStatus, Role, RunStatus
from sebsx.settings import NoSettings, setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Artifact, Factor, Factors
    from sebsx.model.stored import StoredCell

S = TypeVar("S")

_BAD = frozenset({CellStatus.FAILED, CellStatus.UNSUPPORTED, CellStatus.INVALID})
# Units that renderers scale; any other stands in the heading.
UNITS = frozenset({"s", "bytes", "bytes/s", "USD", "1", "count", ""})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its key in each row, heading, unit and meaning.

    `unit` is `s`, `bytes`, `bytes/s`, `USD`, `1` (a share), `count`, or empty for words; renderers scale by it.
    Where there is little room, the last columns give way first, but never one that is `essential`, nor the first
    columns that tell the rows apart.
    """

    key: str
    title: str
    _: KW_ONLY
    unit: str = ""
    meaning: str = ""
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval.

    Args:
        value: In the unit of the column.
        low: Lower end of the interval.
        high: Upper end.
        confidence: Of the interval.
        n: Number of observations.
        note: Stands instead of what cannot be said (`n too small`, `1 sandbox`).
        blocks: Number of sandboxes that the observations came from, each of which is one unit of the interval; None
            where each observation is one, 0 where unknown.
        unserved: Share of what was never answered, where a quantile lies among it: it is later than all that was
            answered, and `value` is None. None for every other estimate.
    """

    value: float | None
    _: KW_ONLY
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int = 0
    note: str = ""
    blocks: int | None = None
    unserved: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; a cell is a number in the column's unit, a word, an `Estimate` or None."""

    name: str
    _: KW_ONLY
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    caption: str = ""


# What every renderer draws, and what it is called in words.
FIGURE_KINDS = {
    "ecdf": "Distribution function", "scatter": "Points", "line": "Points joined by lines", "bar": "Bars",
    "stacked": "Stacked bars", "interval": "Points with intervals", "heatmap": "Heat map",
    "box": "Box plot",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as data: renderers draw it.

    Args:
        name: Stable, kebab-case.
        kind: `ecdf`, `scatter`, `line` (only where between two points lies something), `bar`, `stacked` (bars whose
            series add up), `interval` (points with their intervals, as in a forest plot), `heatmap` (a row for each
            series, darker where y is more; `labels` are written into the fields) or `box` (points are single
            observations, x the place of their category; quartiles, median, whiskers to the last point within 1.5
            times the box); or a word of the analyzer's own, for renderers that know it.
        title: One line.
        x: What the first number of a point is.
        y: What the second is.
        series: Points by name.
        categories: Names that the whole numbers of x stand for, in `bar`, `stacked`, `interval`, `heatmap`
            and `box`.
        intervals: Ends (low, high) of y for each point of a series.
        reference: Value of y that deserves a line: a ratio of 1, a threshold.
        log: Axes to be drawn logarithmic: `x`, `y`, `xy` or none.
        samples: How many observations each series stands for; legends count them.
        drawn_as: For a kind of its own: the one of those above that renderers draw who do not know it.
        labels: What is written beside each point of a series, in `scatter`, `line` and `heatmap`.
        x_intervals: Ends (low, high) of x for each point of a series, in `scatter` and `line`.
        x_range: Ends of the axis of x, where figures are read side by side; by default as the points need it.
    """

    name: str
    kind: str
    _: KW_ONLY
    title: str
    x: Column
    y: Column
    series: Mapping[str, Sequence[tuple[float, float]]]
    categories: Sequence[str] = ()
    intervals: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    reference: float | None = None
    log: str = ""
    samples: Mapping[str, int] = field(default_factory=dict)
    drawn_as: str = field(default="", kw_only=True)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    x_intervals: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    x_range: tuple[float, float] | None = None

    @property
    def form(self) -> str:
        """The kind that every renderer can draw: its own, what it is drawn as, else points."""
        return next((kind for kind in (self.kind, self.drawn_as) if kind in FIGURE_KINDS), "scatter")


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence that the data supports, with its numbers; `warning` marks doubts about the data."""

    text: str
    _: KW_ONLY
    numbers: Mapping[str, Any] = field(default_factory=dict)
    warning: bool = False


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file that an analyzer hands out: a fitted model, a list for another tool.

    Args:
        name: A file name without a folder.
        content: Its text; None where it is one that was kept with a run.
        meaning: What it is, in one line.
        artifact: The file of a run (`RunView.artifacts`), copied as it is.
    """

    name: str
    content: str | None
    _: KW_ONLY
    meaning: str = ""
    artifact: Artifact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How the numbers of one kind are made: a sentence of the Methods section of a page that prints such numbers.

    Args:
        of: The kind of number, as a reader meets it: `median latency`, `alpha and beta`.
        unit: What counts as one observation.
        interval: How its interval is made and where that comes from, or why there is none.
        silent: What it cannot show.
        page: The page of the documentation that says the rest: `docs/methods/statistics.md`.
    """

    of: str
    unit: str
    interval: str
    silent: str
    page: str

    def __str__(self) -> str:
        text = f"{self.of}: the unit is {self.unit}; {self.interval}; it cannot show {self.silent} ({self.page})."
        return text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Report:
    """What an analyzer says. Its files are written by `sebsx analyze -o`, and lie in a report page to be downloaded.

    `answers` are what was found, one sentence for each benchmark: what a person asked the run for. They end the output
    of a run and begin its page. The first two figures are those that show the answers.

    Warnings of an `advisory` report cast no doubt on the numbers, so that a page keeps it folded all the same.

    `methods` say of each kind of number in it how it was made; a page repeats them in its section of methods.
    """

    title: str
    _: KW_ONLY
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    findings: Sequence[Finding] = ()
    files: Sequence[ReportFile] = ()
    answers: Sequence[str] = ()
    advisory: bool = False
    methods: Sequence[Method] = ()


def factor_column(factor: Factor) -> Column:
    """Return the column that shows the levels of a factor."""
    if factor.unit in UNITS:
        return Column(factor.name, factor.title, unit=factor.unit, meaning=factor.meaning, essential=True)
    title = factor.unit if factor.bare else f"{factor.title} {factor.unit}"
    return Column(factor.name, title, meaning=factor.meaning, essential=True)


def about_emulation(runs: Sequence[RunView]) -> Iterator[Finding]:
    """Yield a warning for each platform whose processor was emulated: its times are not those of a real one.

    An analyzer that judges the speed of an architecture must say these, and leave such deployments out unless it
    is told otherwise; `effective["emulated"]` of a deployment marks them.
    """
    deployments = [item for view in runs for item in view.deployments() if item.effective.get("emulated")]
    for platform, architecture in dict.fromkeys((item.platform, item.architecture) for item in deployments):
        text = (
            f"{platform} emulated {architecture} on another processor: its times are not those of {architecture}, and "
            "it is not chosen unless the analyzer's setting `emulated` is on"
        )
        yield Finding(text, numbers={"platform": platform, "architecture": architecture}, warning=True)


def about_limits(runs: Sequence[RunView]) -> Iterator[Finding]:
    """Yield a warning for each platform where processors did not follow memory, or memory had no limit.

    Such deployments tell nothing of the memory sizes they are named for; `effective["unenforced"]` of a deployment
    names the limits that were not in force.
    """
    limits = unenforced(runs)
    for platform in limits.get("cpu", ()):
        yield Finding(
            f"the processor did not follow memory on {platform}, because nothing there limits it: none of its sizes is "
            f"chosen (sebsx doctor --platform {platform} says what to do)",
            numbers={"platform": platform},
            warning=True,
        )

    for platform in limits.get("memory", ()):
        text = f"memory was not limited on {platform}: functions could use all that the machine has"
        yield Finding(f"{text} (sebsx doctor --platform {platform})", numbers={"platform": platform}, warning=True)


def unenforced(runs: Sequence[RunView]) -> dict[str, list[str]]:
    """Return the limits that were not in force, `cpu` or `memory`, each with the platforms where that was so."""
    found: dict[str, set[str]] = {}
    for item in (item for view in runs for item in view.deployments()):
        for limit in item.effective.get("unenforced", ()):
            found.setdefault(limit, set()).add(item.platform)
    return {limit: sorted(platforms) for limit, platforms in sorted(found.items())}


def about_runs(runs: Sequence[RunView]) -> Iterator[Finding]:
    """Yield a warning for each run that is empty or did not finish, and for the cells that gave no result."""
    yield from about_completeness(runs)
    for view in runs:
        yield from _about_cells(view)


def about_completeness(runs: Sequence[RunView]) -> Iterator[Finding]:
    """Yield a warning for each run that is empty or did not finish, or that there is none.

    For analyzers that do not report single cells; others say all that `about_runs` does.
    """
    if not runs:
        yield Finding("there is no run to analyze", warning=True)
    for view in runs:
        run = view.run
        if not view.counts():
            yield Finding(f"run {run.id} holds no invocations", numbers={"run": run.id}, warning=True)
        if run.status is not RunStatus.FINISHED:
            reason = f": {run.error}" if run.error else ""
            text = f"run {run.id} is {run.status.value}{reason}; this is what it stored"
            yield Finding(text, numbers={"run": run.id, "status": run.status.value}, warning=True)


def _about_cells(view: RunView) -> Iterator[Finding]:
    """Yield a warning for cells that gave no result; one for all that ended alike."""
    alike: dict[tuple[CellStatus, str], list[StoredCell]] = {}
    factors = view.factors
    for cell in view.cells():
        if cell.status in _BAD:
            reason = (cell.error or cell.stop_reason or "no reason given").partition("\n")[0]
            if cell.stop_reason and reason in (view.run.error or ""):  # the run's own words told it
                reason = ""
            alike.setdefault((cell.status, reason), []).append(cell)
    for (status, reason), cells in alike.items():
        levels = list(_levels(factors, cells))
        told = f": {reason}" if reason else ""
        text = f"{' '.join(words[0] for words in levels if len(words) == 1)}: {status.value}{told}"
        if len(cells) > 1:
            text += f" ({len(cells)} cells: {'; '.join(', '.join(words) for words in levels if len(words) > 1)})"
        numbers = {"run": view.run.id, "status": status.value, "cells": [cell.position for cell in cells]}
        yield Finding(text, numbers=numbers, warning=True)


def _levels(factors: Factors, cells: Sequence[StoredCell]) -> Iterator[list[str]]:
    """Yield in words the levels of each factor that is varied; of factors that vary together only the first."""
    seen = set()
    for name in cells[0].factors:
        values = [cell.factors.get(name) for cell in cells]
        if factors[name].role is not Role.VARIED or not any(values):
            continue
        words = [factors[name].show(value) or "-" for value in values]
        levels, pattern = list(dict.fromkeys(words)), tuple(map(words.index, words))
        if len(levels) == 1 or pattern not in seen:
            yield levels
        seen.add(pattern)


@dataclass(frozen=True, kw_only=True)
class IntervalSettings:
    """How sure intervals are: the settings of an analyzer, or the first of them."""

    confidence: float = setting(0.95, help="confidence of the intervals, 0.5 to 0.999", minimum=0.5, maximum=0.999)


class Analyzer(ABC, Generic[S]):
    """Turns stored runs into a report. Pure: reads the runs it is given; no network, no clock, no writes.

    Class attributes:
        name: What a user types.
        summary: One line.
        standard: Whether it has something to say of every run, and so is a part of every report page.
        columns: What it reads with `RunView.frame` besides what every frame has: a page of several analyzers reads a
            large run once for all of them. What is not named here is only read later.
        Settings: Frozen dataclass.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    standard: ClassVar[bool] = False
    columns: ClassVar[Sequence[str]] = ()
    Settings: ClassVar[type[Any]] = NoSettings

    @abstractmethod
    def analyze(self, runs: Sequence[RunView], settings: S) -> Report:
        """Return the report. A run with nothing in it gives a report that says so, never an exception.

        Raises:
            UserError: If the runs are of an experiment this analyzer cannot read.
        """
