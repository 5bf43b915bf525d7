"""What a page shows, as data: sections of tables, figures and findings, in the order in which they are read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Column, Finding, Report, Table, unenforced
from sebsx.errors import StoreError
from sebsx.model import CellStatus, Kind, RunStatus, Status
from sebsx.reading import words
from sebsx.reading.reporting import heading, methods, provenance, repeating, series
from sebsx.reading.reporting.measured import as_csv, as_json, latency_table, measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.analyzers import Figure
    from sebsx.contracts.runs import RunView
    from sebsx.reading.reporting.measured import MeasuredCondition
    from sebsx.reading.reporting.repeating import Defaults

_MOST_ERROR_ROWS = 100
_FIRST_ERROR = 300  # characters
_REASON = "no reason given"
_MOST_RUNS = 6  # whose settings and command lines are shown
_ANSWERING = 2  # figures of an analyzer that show what it answers
_MOST_ANSWERS = 4  # findings that stand for answers where there are none


@dataclass(frozen=True, slots=True)
class PageSection:
    """A part of the page.

    Args:
        id: Its anchor.
        title: Heading.
        reports: What it shows, under their titles.
        paragraphs: Text above.
        commands: Command lines below.
        folded: Whether it is closed until somebody opens it.
        hint: What a folded section holds, in a few words.
        more: Further reports, behind a fold.
        more_commands: Further command lines, behind that fold.
        terms: Words of the page with their meanings; where they stand first in a section, they are linked to these.
    """

    id: str
    title: str
    reports: Sequence[Report] = ()
    paragraphs: Sequence[str] = ()
    commands: Sequence[str] = ()
    folded: bool = False
    hint: str = ""
    more: Sequence[Report] = ()
    more_commands: Sequence[str] = ()
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """All that a page shows.

    Args:
        title: Of the page.
        subtitle: What was measured, in one line.
        reasons: Why runs failed or ended early, whole.
        answers: What was found, a sentence each.
        verdict: The comparison, whose findings are the banner; None without one.
        notes: What a reader must know before anything else.
        sections: The rest.
        files: Text of the files to download, by name.
    """

    title: str
    subtitle: str
    reasons: Sequence[str]
    answers: Sequence[str]
    verdict: Report | None
    notes: Sequence[Finding]
    sections: Sequence[PageSection]
    files: Mapping[str, str]


def build(
    views: Sequence[RunView],
    said: Sequence[Report] = (),
    comparison: Report | None = None,
    *,
    checks: Sequence[Report] = (),
    defaults: Defaults | None = None,
) -> Content:
    """Return what a page shows of some runs.

    Args:
        views: At least one run.
        said: Reports of analyzers. A table or figure that the page has already, by its name, is not repeated.
        comparison: What a comparison with another run says.
        checks: Reports of analyzers that look at every run: folded where they found nothing.
        defaults: Settings that the short command line need not say.
    """
    measured = measure(views)
    own = _distributions(views, measured)
    answering = [figure for report in said for figure in _new(report.figures, own.figures)[:_ANSWERING]]
    shown = {figure.name for figure in (*own.figures, *answering)}
    detailed = [each for report in said if _says(each := _without(report, shown))]
    answers = [answer for report in said for answer in report.answers] or _first_findings(said)
    latency = Report("", tables=[latency_table(measured)] if measured else [], findings=_empty(views, measured))
    has_cost = {each.condition.run.id: True for each in measured if "cost_per_million_usd.mean" in each.said}
    errors = _errors(views, measured)
    printed = [latency, own, *said, *checks, *([comparison] if comparison else [])]
    made = [method for report in printed for method in report.methods]
    sections = [
        *(
            [PageSection("comparison", "Comparison", [replace(comparison, title="", findings=())])]
            if comparison
            else []
        ),
        *([PageSection("answer", "The answer in figures", [Report("", figures=answering)])] if answering else []),
        PageSection("latency", "Latency and cost of each condition", [latency]),
        *([PageSection("errors", "Failed invocations", [errors])] if errors else []),
        *([PageSection("distributions", "Distributions", [own])] if own.figures else []),
        *([PageSection("analysis", "In detail", detailed)] if detailed else []),
        *(_checked(number, report) for number, report in enumerate(checks, 1)),
        PageSection(
            "methods", "Methods", paragraphs=list(methods.sentences(views, measured, made)),
            terms={word: words.WORDS[word] for word in words.used(printed)}, folded=True,
            hint="each kind of number: its unit, its interval, what it cannot show; design, what words mean",
        ),
        PageSection(
            "repeat", "Reproduce",
            paragraphs=[text for view in views[:_MOST_RUNS] if (text := repeating.needed(view.run))],
            commands=[repeating.command(view.run, defaults) for view in views[:_MOST_RUNS]],
            more=[Report("", tables=[provenance.settings(view.run) for view in views[:_MOST_RUNS]])],
            more_commands=[repeating.command(view.run) for view in views[:_MOST_RUNS]],
            hint="The command and the settings in full, for a machine with other defaults",
        ),
        PageSection(
            "provenance", "Where the numbers come from",
            [Report("", tables=[provenance.table(views, has_cost)], findings=_machines(views))],
            more=[Report("", tables=[provenance.digests(views), *provenance.packages(views)])],
            hint="Digests and packages",
        ),
    ]  # fmt: skip
    files = {"sebsx-summary.csv": as_csv(measured), "sebsx-summary.json": as_json(measured)} if measured else {}
    files |= {each.name: each.content for report in (*said, *checks) for each in report.files if each.content}
    return Content(
        title=heading.title(views),
        subtitle=_subtitle(views, measured),
        reasons=list(_reasons(views)),
        answers=answers,
        verdict=_counts_first(comparison) if comparison else None,
        notes=list(_notes(views, measured, compared=comparison is not None)),
        sections=sections,
        files=files,
    )


def _subtitle(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> str:
    """Return how much was measured, and the runs by their ids."""
    experiments = ", ".join(dict.fromkeys(view.run.experiment for view in views))
    invocations = sum(len(each.condition.frame) for each in measured)
    conditions = f"{len(measured):,} condition{'s' * (len(measured) != 1)}"
    runs = ", ".join(view.run.id for view in views[:3]) + (f" and {len(views) - 3} more" if len(views) > 3 else "")
    which = f"run{'s' * (len(views) != 1)} {runs}"
    return f"{experiments}: {conditions}, {invocations:,} measured invocations; {which}"


def _reasons(views: Sequence[RunView]) -> Iterator[str]:
    """Yield of each run that did not finish why not."""
    for view in views:
        run = view.run
        if run.status is not RunStatus.FINISHED:
            which = f"Run {run.id}" if len(views) > 1 else "The run"
            yield f"{which} is {run.status.value}: {run.error or _REASON}; this is what it stored"


def _first_findings(said: Sequence[Report]) -> list[str]:
    """Return what analyzers found first, where they answer nothing."""
    return [one.text for report in said for one in report.findings if not one.warning][:_MOST_ANSWERS]


def _new(figures: Sequence[Figure], known: Sequence[Figure]) -> list[Figure]:
    names = {figure.name for figure in known}
    return [figure for figure in figures if figure.name not in names]


def _says(report: Report) -> bool:
    return bool(report.tables or report.figures or report.findings)


def _checked(number: int, report: Report) -> PageSection:
    """Return the section of an analyzer that looks at every run, open where it found something."""
    warnings = sum(finding.warning for finding in report.findings)
    first = next((finding.text for finding in report.findings if not finding.warning), "")
    return PageSection(
        f"check-{number}", report.title, [replace(report, title="")], folded=report.advisory or not warnings,
        hint=first or f"{warnings} warning{'s' * (warnings != 1)}",
    )  # fmt: skip


def _notes(views: Sequence[RunView], measured: Sequence[MeasuredCondition], *, compared: bool) -> Iterator[Finding]:
    """Yield what a reader must know first: whatever casts doubt on the whole page, and the design."""
    for view in views:
        run = view.run
        states = [cell.status for cell in view.cells()]
        for status in (CellStatus.INVALID, CellStatus.FAILED, CellStatus.UNSUPPORTED):
            if n := states.count(status):
                yield Finding(f"run {run.id}: {n} of {len(states)} conditions are {status.value}", warning=True)
    emulated = sum(each.condition.emulated for each in measured)
    if emulated:
        yield Finding(f"{emulated} conditions ran on an emulated processor: their times mean nothing", warning=True)
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
    if compared:
        designs = " and ".join(sorted({view.run.design.value for view in views}))
        yield Finding(f"design: {designs}")


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


def _distributions(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> Report:
    every = list(series.distributions(measured))
    notes = []
    if len(every) > series.MOST_FIGURES:
        notes.append(Finding(f"{series.MOST_FIGURES} of {len(every)} figures of distributions are drawn"))
    late = list(series.lateness(measured, series.began(measured)))
    return Report("", figures=[*every[: series.MOST_FIGURES], *late], findings=notes)


def _machines(views: Sequence[RunView]) -> list[Finding]:
    """Return what is known of the processors of the sandboxes as a whole, and what cannot be read of them."""
    told: set[str] = set()
    notes = []
    for view in views:
        try:
            told |= set(series.cpu_models(view).values())
        except StoreError as exc:
            notes.append(Finding(f"facts of the sandboxes of run {view.run.id} cannot be read: {exc}", warning=True))
    if len(told) > 1:
        notes.append(Finding(f"sandboxes ran on {len(told)} CPU models: {', '.join(sorted(told))}"))
    elif not told and views:
        notes.append(Finding("no sandbox reported its CPU model, so its influence is unknown"))
    return notes


def _without(report: Report, shown: set[str]) -> Report:
    """Return a report without the figures that are shown already, and without the table that the page makes itself."""
    return replace(
        report,
        tables=[table for table in report.tables if table.name != "latency" and table.rows],
        figures=[figure for figure in report.figures if figure.name not in shown],
    )


def _errors(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> Report | None:
    """Return the failures of each condition; None where nothing failed."""
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
        return None
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
