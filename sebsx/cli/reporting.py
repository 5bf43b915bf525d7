"""`sebsx report`: a page of what runs say, to read, send and keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, command
from sebsx.cli.options import names_runs
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Report
    from sebsx.contracts.runs import RunView
    from sebsx.store import Store


@command("report")
@names_runs(many=True)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="File to write [default: sebsx-report-RUN.html in this folder].",
)  # fmt: skip
@click.option(
    "-a",
    "--analyzer",
    "analyzers",
    multiple=True,
    shell_complete=completing.analyzer,
    help="Add what this analyzer finds; repeatable.",
)
@click.option("-b", "--base", metavar="RUN", help="Compare with this run or baseline.", shell_complete=completing.run)
@click.option("--compare", "within", is_flag=True, help="Compare the versions within the one run.")
@click.option("--open", "open_", is_flag=True, help="Show it in the browser.")
def report_command(
    app: App,
    runs: tuple[str, ...],
    campaign: str | None,
    out: Path | None,
    analyzers: tuple[str, ...],
    base: str | None,
    within: bool,
    open_: bool,
) -> None:
    """Write one HTML page about stored runs.

    The page needs no other file and no network: mail it, keep it, print it.

    RUN is an id, its start, a baseline, or `last`. The page shows latency and cost of each condition,
    distributions, what analyzers found, failures, methods, where the numbers come from, and the command that repeats
    the run.
    """
    from sebsx.reading import pages  # heavy
    from sebsx.reading.listing import chosen

    with app.console.working("writing the report"), app.open_store(read=True, check=True) as store:
        views = list({view.run.id: view for view in map(store.view, chosen(store, runs, campaign))}.values())
        target = out or Path(f"sebsx-report-{views[0].run.id}.html")
        comparison = _comparison(store, views, [store.view(base)] if base else [], within=within)
        options = [*(["--base", base] if base else []), *(["--compare"] if within else [])]
        page = pages.rendered(app, views, analyzers, comparison=comparison, target=target.name, options=options)
    size = pages.write(target, page)
    document: dict[str, Any] = {"file": str(target), "bytes": size, "runs": [view.run.id for view in views]}
    app.console.result(document, text=f"wrote {target} ({size / 1024:.0f} KiB)")
    if open_:
        click.launch(str(target.resolve()))


def _comparison(store: Store, views: Sequence[RunView], base: Sequence[RunView], *, within: bool) -> Report | None:
    """Return what a comparison with another run, or of the versions within one, says; None if none was asked for."""
    from sebsx.reading.comparison import compare_runs  # heavy
    from sebsx.reading.comparison.same_code import newest

    if base and within:
        raise UserError("--base compares with another run and --compare within one; give one of them")
    if within and len(views) > 1:
        raise UserError(f"--compare compares within one run and {len(views)} were given; name another with --base")
    if not (base or within):
        return None
    trials = newest(store, [*base, *views])
    sides = (base, views) if base else (views, ())
    return compare_runs(*sides, trials=trials).to_report(limit=None)


COMMANDS = (report_command,)
