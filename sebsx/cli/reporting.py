"""`sebsx report`: a page of what runs say, to read, send and keep."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.app import App, command
from sebsx.cli.options import complete_run
from sebsx.cli.results import analyze
from sebsx.errors import PluginError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sebsx.contracts.analyzers import Report
    from sebsx.contracts.runs import RunView


@command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="File to write [default: sebsx-report-RUN.html in this folder].",
)  # fmt: skip
@click.option("-a", "--analyzer", "analyzers", multiple=True, help="A further analyzer to be heard; repeatable.")
@click.option("-b", "--base", metavar="RUN", help="Compare with this run or baseline.", shell_complete=complete_run)
@click.option("--compare", "within", is_flag=True, help="Compare the versions within the one run.")
@click.option("--open", "open_", is_flag=True, help="Show it in the browser.")
def report_command(
    app: App,
    runs: tuple[str, ...],
    out: Path | None,
    analyzers: tuple[str, ...],
    base: str | None,
    within: bool,
    open_: bool,
) -> None:
    """Write one HTML page of what stored runs say: it holds all it needs and can be mailed, kept and printed.

    RUN is an id, its start, a baseline, or `last`. The page has the latency and cost of each condition,
    distributions, what the analyzers of the experiments say, failures, where the numbers come from with what is
    missing, the methods and the command line that does it again.
    """
    from sebsx.reading.reporting import build  # heavy
    from sebsx.reading.reporting.html import render

    with app.console.working("writing the report"), app.open_store() as store:
        views = list({view.run.id: view for view in map(store.view, runs)}.values())
        target = out or Path(f"sebsx-report-{views[0].run.id}.html")
        comparison = _comparison(views, [store.view(base)] if base else [], within=within)
        content = build(views, list(_said(app, views, analyzers)), comparison)
        words = ["sebsx", "report", *(view.run.id for view in views), "-o", target.name]
        words += [word for name in analyzers for word in ("--analyzer", name)]
        words += ["--base", base] if base else []
        words += ["--compare"] if within else []
        page = render(content, shlex.join(words), datetime.now(UTC).isoformat(" ", "seconds"))
    size = _write(target, page)
    document: dict[str, Any] = {"file": str(target), "bytes": size, "runs": [view.run.id for view in views]}
    app.console.result(document, text=f"wrote {target} ({size / 1024:.0f} KiB)")
    if open_:
        click.launch(str(target.resolve()))


def _comparison(views: Sequence[RunView], base: Sequence[RunView], *, within: bool) -> Report | None:
    """Return what a comparison with another run, or of the versions within one, says; None if none was asked for."""
    from sebsx.reading.comparison import compare_runs  # heavy

    if base and within:
        raise UserError("--base compares with another run and --compare within one; give one of them")
    if within and len(views) > 1:
        raise UserError(f"--compare compares within one run and {len(views)} were given; name another with --base")
    if base:
        return compare_runs(base, views).to_report(limit=None)
    return compare_runs(views).to_report(limit=None) if within else None


def _said(app: App, views: Sequence[RunView], wanted: Sequence[str]) -> Iterator[Report]:
    """Yield what analyzers say: the one of each experiment about its runs, standard and wanted ones about all."""
    experiments: dict[str, list[RunView]] = {}
    for view in views:
        experiments.setdefault(view.run.experiment, []).append(view)
    about: dict[str, list[RunView]] = {}
    for name, mine in experiments.items():
        experiment = app.registry.experiments.get(name)
        if experiment and experiment.analyzer:
            about.setdefault(experiment.analyzer, []).extend(mine)
    for name, analyzer in app.registry.analyzers.items():
        if analyzer.standard or name in wanted:
            about[name] = list(views)
    for name in wanted:
        app.registry.get("analyzers", name)
    _read(views, [app.registry.analyzers[name].columns for name in about])
    for name, mine in about.items():
        if report := _part(app, mine, name):
            yield report


def _part(app: App, views: Sequence[RunView], name: str) -> Report | None:
    """Return what one analyzer says, or in its place why it says nothing: what the others say stands."""
    from sebsx.contracts.analyzers import Finding, Report  # heavy

    try:
        return analyze(app, views, name)
    except UserError as exc:
        text = f"analyzer {name!r} cannot read these runs: {exc}"
    except PluginError as exc:
        text = f"this part is missing: {exc}"
        app.console.warning(text)
    return Report(name, findings=[Finding(text, warning=True)])


def _read(views: Sequence[RunView], wanted: Iterable[Sequence[str]]) -> None:
    """Read at once what all who look at the runs want of them."""
    from sebsx.reading.reporting.measured import MORE_COLUMNS  # heavy

    columns = [*MORE_COLUMNS, *chain.from_iterable(wanted)]
    for view in views:
        view.frame(kind=None, more=columns)


def _write(target: Path, page: str) -> int:
    data = page.encode("utf-8", "replace")
    try:
        target.write_bytes(data)
    except OSError as exc:
        raise UserError(f"report cannot be written to {str(target)!r}: {exc.strerror}; name another with -o") from exc
    return len(data)


COMMANDS = (report_command,)
