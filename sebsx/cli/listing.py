"""`sebsx runs`: which runs there are, what each measured, and what is done with one as a whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, CommandGroup, command
from sebsx.cli.options import names_runs
from sebsx.cli.values import Read, Word, integer
from sebsx.errors import StoreError, UserError

if TYPE_CHECKING:
    from sebsx.model import Run
    from sebsx.reading.listing import Listed

_SHOWN = 30
_NAMED = 3  # benchmarks that are named rather than counted
_STATUSES = ("running", "finished", "unsuccessful", "failed", "interrupted")


def _since(value: str) -> datetime:
    """Return the moment that an option names: a day, or how long ago."""
    from sebsx.reading.units import parse_duration  # heavy

    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            return datetime.now(UTC) - timedelta(seconds=parse_duration(value))
        except ValueError:
            raise ValueError(f"{value!r} is neither a date such as 2026-09-06 nor a time such as 24h") from None
    return moment if moment.tzinfo else moment.astimezone()


@click.group("runs", cls=CommandGroup, invoke_without_command=True)
@click.option(
    "--benchmark",
    default="",
    metavar="NAME",
    shell_complete=completing.benchmark,
    help="Only runs that measured this benchmark.",
)
@click.option(
    "--platform", default="", metavar="NAME", shell_complete=completing.platform, help="Only runs on this platform."
)
@click.option(
    "--campaign", default="", metavar="NAME", shell_complete=completing.campaign, help="Only runs of this campaign."
)
@click.option("--status", type=Word(_STATUSES), help="Only runs that ended like this.")
@click.option(
    "--since", type=Read(_since, "date|time"), help="Only runs since a day (2026-09-06), or of the last 24h or 7d."
)
@click.option("-n", "--limit", type=integer(1), default=_SHOWN, show_default=True, help="Only the newest N.")
@click.option("--all", "all_", is_flag=True, help="Every run.")
@click.pass_context
def runs_command(ctx: click.Context, /, status: str | None, limit: int, all_: bool, **wanted: Any) -> None:
    """List the stored runs, newest first.

    Shows what each measured and how many invocations succeeded.

    \b
      sebsx runs --benchmark graph-bfs --since 24h
      sebsx runs note last "after the update of numpy"
      sebsx runs delete 01JZ7 01JZ8
    """  # noqa: D301  # \\b keeps click from folding the lines
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(App), status, None if all_ else limit, wanted)


def _list(app: App, status: str | None, limit: int | None, wanted: dict[str, Any]) -> None:
    from sebsx.cli.console import plain
    from sebsx.model import RunStatus
    from sebsx.reading.listing import Wanted, listed  # heavy

    choice = Wanted(status=RunStatus(status) if status else None, **wanted)
    damaged: list[StoreError] = []
    with app.open_index() as index:
        found = listed(index, choice, damaged.append)
        shown, more = list(islice(found, limit)), next(found, None)
        baselines = index.baselines()
    names = {item.run.id: [base.name for base in baselines if base.run == item.run.id] for item in shown}
    document = [
        {
            **plain(item.run),
            **{key: value for key, value in plain(item).items() if key != "run"},
            "baselines": names[item.run.id],
        }
        for item in shown
    ]
    asked = any((status, *wanted.values()))
    empty = "no run is like this; sebsx runs lists all" if asked else "no runs yet; start one with: sebsx run benchmark"
    app.console.result(document, _table(shown, names), text="" if shown else empty)
    if more:
        app.console.note(f"the newest {limit} are shown; --all lists every run")
    if damaged:
        raise damaged[0]


def _table(shown: list[Listed], names: dict[str, list[str]]) -> Any:
    from sebsx.contracts.analyzers import Column, Table  # heavy

    columns = [
        Column("id", "id"),
        Column("started", "started"),
        Column("benchmarks", "benchmarks", essential=True),
        Column("status", "status"),
        Column("ok", "ok", unit="count"),
        Column("failed", "failed", unit="count"),
        Column("platforms", "platforms"),
        Column("memory_mib", "MiB"),
        Column("experiment", "experiment"),
        Column("note", "note"),
        Column("campaign", "campaign"),
        Column("baseline", "baseline"),
        Column("size", "size"),
        Column("took", "took"),
    ]
    rows = [
        {
            "id": item.run.id,
            "started": item.run.started_at.strftime("%Y-%m-%d %H:%M"),
            "benchmarks": _some(item.benchmarks) or f"({item.run.experiment})",
            "status": item.run.status.value,
            "ok": item.ok,
            "failed": item.failed,
            "platforms": ", ".join(item.platforms),
            "memory_mib": ", ".join(map(str, item.memory_mib)),
            "experiment": item.run.experiment,
            "note": item.note,
            "campaign": item.run.campaign,
            "baseline": ", ".join(names[item.run.id]),
            "size": ", ".join(map(str, item.sizes)),
            "took": took(item.run),
        }
        for item in shown
    ]
    return Table("", columns=columns, rows=rows)


def _some(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(str, names[:_NAMED])) + rest


def took(run: Run) -> str:
    """Return how long a run took in words; empty while it is under way."""
    from sebsx.reading.units import duration  # heavy

    return duration((run.finished_at - run.started_at).total_seconds()) if run.finished_at else ""


@command("delete")
@names_runs(many=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before deleting.")
def delete_command(app: App, runs: tuple[str, ...], campaign: str | None, yes: bool) -> None:
    """Delete runs with all that was measured.

    Files that no other run refers to are deleted too.

    A run that is under way, or that left resources behind (sebsx clean), is kept.
    """
    import sys

    from sebsx.reading.listing import chosen  # heavy
    from sebsx.reading.units import many

    with app.open_store() as store:
        ids = list(dict.fromkeys(store.view(name).run.id for name in chosen(store, runs, campaign)))
        if not yes and not app.console.json:
            if not sys.stdin.isatty():
                raise UserError(f"{many(len(ids), 'run')} would be deleted; confirm with --yes")
            click.confirm(f"delete {', '.join(ids)}?", abort=True)
        for name in ids:
            store.delete_run(name)
        store.artifacts.sweep()
    app.console.result({"deleted": ids}, text=f"deleted {', '.join(ids)}")


@command("note")
@names_runs(many=False, metavar="[RUN]")
@click.argument("text", metavar="TEXT", required=False)
def note_command(app: App, run: str | None, campaign: str | None, text: str | None) -> None:
    """Write a note on a run; an empty TEXT removes it.

    `sebsx runs` and `show` print it.
    """
    from sebsx.reading.listing import chosen  # heavy

    if campaign and text is None:  # the only word is the note
        run, text = None, run
    if text is None:
        raise click.UsageError("TEXT is missing", click.get_current_context())
    with app.open_store() as store:
        run_id = store.view(chosen(store, [run] if run else [], campaign)[-1]).run.id
        store.set_note(run_id, text)
    app.console.result({"run": run_id, "note": text}, text=f"noted with run {run_id}")


for _command in (delete_command, note_command):
    runs_command.add_command(_command)

COMMANDS = (runs_command,)
