"""What a page shows, as data: sections of tables, figures and findings, in the order in which they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Column, Finding, Report, Table, unenforced
from sebsx.errors import StoreError
from sebsx.model import CellStatus, Kind, RunStatus, Status
from sebsx.reading.reporting import methods, provenance, repeating, series
from sebsx.reading.reporting.measured import as_csv, as_json, latency_table, measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.analyzers import Figure
    from sebsx.contracts.runs import RunView
    from sebsx.reading.reporting.measured import MeasuredCondition

_MOST_ERROR_ROWS = 100
_FIRST_ERROR = 300  # characters
_REASON = "no reason given"


@dataclass(frozen=True, slots=True)
class PageSection:
    """A part of the page.

    Args:
        id: Its anchor.
        title: Heading.
        reports: What it shows, under their titles.
        paragraphs: Text above.
        commands: Command lines below.
    """

    id: str
    title: str
    reports: Sequence[Report] = ()
    paragraphs: Sequence[str] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """All that a page shows.

    Args:
        title: Of the page.
        subtitle: What was measured, in one line.
        verdict: The comparison, whose findings are the banner; None without one.
        notes: What a reader must know before anything else.
        sections: The rest.
        files: Text of the files to download, by name.
    """

    title: str
    subtitle: str
    verdict: Report | None
    notes: Sequence[Finding]
    sections: Sequence[PageSection]
    files: Mapping[str, str]


def build(views: Sequence[RunView], said: Sequence[Report] = (), comparison: Report | None = None) -> Content:
    """Return what a page shows of some runs.

    Args:
        views: At least one run.
        said: Reports of analyzers. A table or figure that the page has already, by its name, is not repeated.
        comparison: What a comparison with another run says.
    """
    measured = measure(views)
    own = _own_figures(views, measured)
    shown = {"latency", *(figure.name for figure in own.figures)}
    analyzed = [_without(report, shown) for report in said]
    latency = Report("", tables=[latency_table(measured)] if measured else [], findings=_empty(views, measured))
    has_cost = {each.condition.run.id: True for each in measured if "cost_per_million_usd.mean" in each.said}
    settings = [provenance.settings(view.run) for view in views[:6]]
    packages = provenance.packages(views)
    sections = [
        *(
            [PageSection("comparison", "Comparison", [replace(comparison, title="", findings=())])]
            if comparison
            else []
        ),
        PageSection(
            "provenance",
            "Where the numbers come from",
            [Report("", tables=[provenance.table(views, has_cost)])],
        ),
        PageSection("latency", "Latency and cost of each condition", [latency]),
        PageSection("figures", "Figures", [own]),
        PageSection("analysis", "What analyzers say", analyzed),
        PageSection("errors", "Failed invocations", [_errors(views, measured)]),
        PageSection("methods", "Methods", paragraphs=list(methods.sentences(views, measured))),
        PageSection(
            "repeat", "Do it again", [Report("", tables=[*([packages] if packages else []), *settings])],
            paragraphs=[text for view in views[:6] if (text := repeating.needed(view.run))],
            commands=[repeating.command(view.run) for view in views[:6]],
        ),
    ]  # fmt: skip
    files = {"sebsx-summary.csv": as_csv(measured), "sebsx-summary.json": as_json(measured)} if measured else {}
    files |= {each.name: each.content for report in said for each in report.files if each.content is not None}
    runs = ", ".join(view.run.id for view in views[:3]) + (f" and {len(views) - 3} more" if len(views) > 3 else "")
    experiments = ", ".join(dict.fromkeys(view.run.experiment for view in views))
    invocations = sum(len(each.condition.frame) for each in measured)
    conditions = f"{len(measured):,} condition{'s' * (len(measured) != 1)}"
    return Content(
        title=f"{experiments}: {runs}",
        subtitle=f"{conditions}, {invocations:,} measured invocations, {len(views)} run{'s' * (len(views) != 1)}",
        verdict=_counts_first(comparison) if comparison else None,
        notes=list(_notes(views, measured, compared=comparison is not None)),
        sections=[one for one in sections if one.reports or one.paragraphs],
        files=files,
    )


def _notes(views: Sequence[RunView], measured: Sequence[MeasuredCondition], *, compared: bool) -> Iterator[Finding]:
    """Yield what a reader must know first: whatever casts doubt on the whole page, and the design."""
    for view in views:
        run = view.run
        if run.status is not RunStatus.FINISHED:
            reason = f": {run.error}" if run.error else ""
            yield Finding(f"run {run.id} is {run.status.value}{reason}; this is what it stored", warning=True)
        states = [cell.status for cell in view.cells()]
        for status in (CellStatus.INVALID, CellStatus.FAILED, CellStatus.UNSUPPORTED):
            if n := states.count(status):
                yield Finding(f"run {run.id}: {n} of {len(states)} conditions are {status.value}", warning=True)
    emulated = sum(each.condition.emulated for each in measured)
    if emulated:
        yield Finding(f"{emulated} conditions ran on an emulated processor: their times say nothing", warning=True)
    starved = [each for each in measured if each.condition.was_starved]
    if starved:
        text = f"{len(starved)} conditions did not get their processor, because the machine was busy"
        yield Finding(f"{text}: {starved[0].name} was {starved[0].condition.doubt}", warning=True)
    unlimited = sum(each.condition.unlimited for each in measured)
    if unlimited:
        text = f"{unlimited} conditions ran without the processor limit of their memory: sizes cannot be compared"
        yield Finding(f"{text} (sebsx doctor)", warning=True)
    if unbounded := unenforced(views).get("memory"):
        text = f"memory was not limited on {', '.join(unbounded)}: functions could use all that the machine has"
        yield Finding(text, warning=True)
    designs = " and ".join(sorted({view.run.design.value for view in views}))
    yield Finding(
        f"design: {designs}" if compared else f"no comparison was asked for (--base, --compare); design: {designs}"
    )


def _counts_first(comparison: Report) -> Report:
    """Return a comparison for the banner: what is counted before what is doubted."""
    return replace(comparison, findings=sorted(comparison.findings, key=lambda finding: not finding.numbers))


def _empty(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> list[Finding]:
    with_some = {each.condition.run.id for each in measured}
    return [
        Finding(f"run {view.run.id} holds no measured invocation: there is nothing to show of it", warning=True)
        for view in views
        if view.run.id not in with_some
    ]


def _own_figures(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> Report:
    most = series.MOST_FIGURES
    began = series.began(measured)
    models, notes = _cpu_models(views)
    every = list(series.distributions(measured))
    figures: list[Figure] = every[:most]
    if len(every) > most:
        notes.append(Finding(f"{most} of {len(every)} figures of distributions are drawn"))
    some = [each for each in measured if len(each.condition.frame)]
    if len(some) > most:
        notes.append(Finding(f"latency in the order of time is drawn of {most} of {len(some)} conditions"))
    for number, each in enumerate(some[:most], 1):
        run = each.condition.run.id
        figures += series.in_time(each, number, began[run], models.get(run, {}))
        figures += series.lateness(each, number, began[run])
    return Report("", figures=figures, findings=notes)


def _cpu_models(views: Sequence[RunView]) -> tuple[series.CpuModels, list[Finding]]:
    found: series.CpuModels = {}
    notes = []
    for view in views:
        try:
            found[view.run.id] = series.cpu_models(view)
        except StoreError as exc:
            notes.append(Finding(f"facts of the sandboxes of run {view.run.id} cannot be read: {exc}", warning=True))
    told = sorted({model for models in found.values() for model in models.values()})
    if len(told) == 1:
        notes.append(Finding(f"every sandbox that told its CPU model ran on {told[0]}"))
    elif not told and views:
        notes.append(Finding("no sandbox told its CPU model, so the figures cannot show whether it matters"))
    return found, notes


def _without(report: Report, shown: set[str]) -> Report:
    return replace(
        report,
        tables=[table for table in report.tables if table.name not in shown],
        figures=[figure for figure in report.figures if figure.name not in shown],
    )


def _errors(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> Report:
    by_run = {view.run.id: view for view in views}
    failing = [(each, status, n) for each in measured for status, n in sorted(each.condition.failed.items()) if n]
    rows = [
        {
            "condition": each.name,
            "status": status,
            "count": n,
            "share": n / len(each.condition.frame),
            "first": _first_error(by_run[each.condition.run.id], each, status),
        }
        for each, status, n in failing[:_MOST_ERROR_ROWS]
    ]
    if not rows:
        return Report("", findings=[Finding("no measured invocation failed" if measured else "nothing was measured")])
    columns = (
        Column("condition", "condition"), Column("status", "ended as"), Column("count", "how many", unit="count"),
        Column("share", "share", unit="1", meaning="of the measured invocations of the condition"),
        Column("first", "the first said"),
    )  # fmt: skip
    left = len(failing) - len(rows)
    caption = f"{left} further rows are in the CSV below" if left else ""
    return Report("", tables=[Table("errors", columns=columns, rows=rows, caption=caption)])


def _first_error(view: RunView, each: MeasuredCondition, status: str) -> str:
    cell = each.condition.cell
    found = view.invocations(cell.id if cell else None, Kind.MEASURED, Status(status))
    text = next((one.error for one in found), None) or _REASON
    return text if len(text) <= _FIRST_ERROR else f"{text[:_FIRST_ERROR]} ..."
