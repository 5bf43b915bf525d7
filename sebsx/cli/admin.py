"""`sebsx clean` and `sebsx doctor`: nothing left behind, and everything in place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, command
from sebsx.errors import PlatformError, SebsxError, StoreError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.running.cleaning import Removal
    from sebsx.store import Store


# Fewer calls in flight than this are met by ordinary loads.
_ENOUGH_CALLS = 1000
_ID_CHARACTERS = 26  # of a ULID


@command("clean")
@click.option("--dry-run", is_flag=True, help="List what would be deleted, and delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before deleting.")
@click.option("--cache", is_flag=True, help="Delete cached packages, too; they are rebuilt when needed.")
@click.option(
    "-P",
    "--platform",
    "platforms",
    metavar="A,B",
    shell_complete=completing.platform,
    help="Look for orphans on these platforms too.",
)
@click.option(
    "--run", "runs", metavar="RUN", multiple=True, shell_complete=completing.run,
    help="Only what belongs to this run; repeatable.",
)  # fmt: skip
@click.option(
    "--campaign", metavar="NAME", shell_complete=completing.campaign,
    help="Only what belongs to the runs of this campaign, in place of --run.",
)  # fmt: skip
def clean_command(
    app: App, dry_run: bool, yes: bool, cache: bool, platforms: str | None, runs: tuple[str, ...], campaign: str | None
) -> None:
    """Delete what ended runs left behind.

    Resources are found by the ledger of the store and by our tags on the platform. Runs under way are left alone.

    \b
      sebsx clean --dry-run          what would be deleted
      sebsx clean -P aws             on any machine: by the tags in the account
      sebsx clean -P aws --run ID    what one run left, even if it still runs elsewhere
      sebsx clean --cache            cached packages, too; they are rebuilt when needed

    Resources of a run that this store does not know are kept until they expire (`ttl_h`), unless you name the run.
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.reading import listing  # heavy
    from sebsx.running import cleaning

    chosen = tuple(name.strip() for name in platforms.split(",")) if platforms else ()
    for name in chosen:
        app.registry.get("platforms", name)
    with app.open_store() as store:
        if campaign:
            runs = tuple(listing.chosen(store, runs, campaign))
        leftovers = cleaning.find(store, app.registry, app.reader(), chosen, [_id(store, run) for run in runs])
        if cache and (packages := cleaning.cached()):
            leftovers.resources.append(packages)
        planned = [cleaning.Removal(item, "would be deleted") for item in leftovers.resources]
        kept = [cleaning.Removal(item, f"kept until {item.expires_at:%Y-%m-%d %H:%M} UTC") for item in leftovers.kept]
        asks = bool(planned) and not (dry_run or yes or app.console.json) and sys.stdin.isatty()
        if asks:
            _print_removals(app, planned)
            click.confirm(f"delete these {len(planned)}?", abort=True)
        removals = planned if dry_run else cleaning.remove(leftovers, store)
        if not dry_run:
            files, size = store.artifacts.sweep()
            if files:
                app.console.note(f"{files} files of {size:,} bytes that no run refers to were deleted")
    if removals or kept or not leftovers.failures:
        _print_removals(app, [*removals, *kept])
    failed = [removal for removal in removals if removal.failed]
    if failed:
        raise PlatformError(f"{len(failed)} of {len(removals)} could not be deleted: {failed[0].text}")
    if leftovers.failures:
        raise leftovers.failures[0]


def _id(store: Store, run: str) -> str:
    """Return the id of a run; a whole id that this store does not know may be that of one that lives elsewhere.

    Raises:
        UserError: If it is neither known nor a whole id.
    """
    try:
        return store.view(run).run.id
    except UserError:
        if len(run) != _ID_CHARACTERS:
            raise
        return run.upper()


def _print_removals(app: App, removals: Sequence[Removal]) -> None:
    from sebsx.cli.console import rows_table  # heavy

    rows: list[dict[str, Any]] = [
        {
            "platform": removal.resource.platform,
            "kind": removal.resource.kind,
            "name": removal.resource.name,
            "run": removal.resource.run_id,
            "outcome": removal.text,
        }
        for removal in removals
    ]
    columns = {key: key for key in ("platform", "kind", "name", "run", "outcome")}
    app.console.result(
        rows,
        rows_table("", columns, rows, essential=("name", "outcome")),
        text="" if rows else "nothing is left behind",
    )


@command("doctor")
@click.option(
    "-P",
    "--platform",
    "platforms",
    metavar="A,B",
    shell_complete=completing.platform,
    help="Only these platforms [default: all].",
)
def doctor_command(app: App, platforms: str | None) -> None:
    """Check plugins, store and platforms, and say what to do.

    Exit code 4 on an error.
    """
    from sebsx.cli.console import rows_table  # heavy
    from sebsx.reading.units import many

    plugins = _check_plugins(app)
    rows = [*plugins, *_check_extras(), *_check_store(app), *_check_machine(), *_check_platforms(app, platforms)]
    well = [row for row in plugins if row["status"] == "ok"]
    wrong = sorted((row for row in rows if row["status"] != "ok"), key=lambda row: row["status"])  # errors first
    right = [row for row in rows if row not in (*wrong, *well)]
    right.insert(0, _row("plugins", "ok", f"{many(len(well), 'plugin')} loaded"))
    text = "\n".join(
        f"{row['status']}: {row['what']}: {row['message']}" + (f"; {row['advice']}" if row["advice"] else "")
        for row in wrong
    )
    app.console.result(
        rows, rows_table("in order", {"what": "what", "message": "message"}, right, essential=("message",)), text=text
    )
    errors = [row for row in rows if row["status"] == "error"]
    if errors:
        raise PlatformError(f"{errors[0]['what']}: {errors[0]['message']}")


def _check_plugins(app: App) -> list[dict[str, str]]:
    return [
        _row(f"plugin {plugin.name}", "warning" if plugin.error else "ok", plugin.error or plugin.distribution)
        for plugin in app.registry.probed()
    ]


def _check_extras() -> list[dict[str, str]]:
    """Say what is not installed that some plugins need when they are used."""
    from sebsx.system import installing

    lacking = installing.missing()
    if not lacking:
        return [_row("extras", "ok", "all are installed")]
    names = ", ".join(f"{extra} ({', '.join(packages)})" for extra, packages in lacking.items())
    return [
        _row("extras", "ok", f"not installed: {names}; install one with: {installing.command(next(iter(lacking)))}")
    ]


def _check_store(app: App) -> list[dict[str, str]]:
    from sebsx.reading.units import many  # heavy

    try:
        with app.open_store(read=True) as store:
            return [_row("store", "ok", f"{many(len(store.runs()), 'run')} in {store.location}")]
    except StoreError as exc:
        return [_row("store", "error", str(exc))]


def _check_machine() -> list[dict[str, str]]:
    """Say how many calls can be in flight before this machine, not the platform, refuses them."""
    from sebsx.model import descriptors

    files = descriptors.most()
    calls = max(0, files - descriptors.OWN)
    about = [*_check_load(), _check_priority()]
    if calls >= _ENOUGH_CALLS:
        return [*about, _row("open files", "ok", f"{files} while a run lasts: about {calls} calls in flight")]
    advice = "raise the hard limit: ulimit -Hn, or nofile in /etc/security/limits.conf"
    return [*about, _row("open files", "warning", f"{files} at most: about {calls} calls in flight", advice)]


def _check_load() -> list[dict[str, str]]:
    """Say whether other work would take the processor from functions on this machine, and from the load generator."""
    from sebsx.system.busyness import host

    now = host()
    if now is None:
        return []
    if not now.busy:
        return [_row("load", "ok", now.words)]
    advice = "end other work before measuring: starved calls are marked, and left out of comparisons"
    return [_row("load", "warning", f"{now.words}: functions here would not get theirs", advice)]


def _check_priority() -> dict[str, str]:
    """Say whether the load generator goes before other work, so that it sends on time on a busy machine."""
    from sebsx.system import priority

    refusal = priority.refusal()
    if not refusal:
        return _row("load generator", "ok", "goes before other work (SCHED_FIFO) in open loops")
    message = f"waits for a processor like any other work: {refusal}"
    return _row("load generator", "warning", message, priority.ADVICE if refusal == priority.NOT_PERMITTED else "")


def _check_platforms(app: App, platforms: str | None) -> list[dict[str, str]]:
    from sebsx.model import Problem
    from sebsx.running.contexts import make_platform
    from sebsx.running.orchestrator import workdir  # heavy

    names = [name.strip() for name in platforms.split(",")] if platforms else sorted(app.registry.platforms)
    reader, rows = app.reader(), []
    for name in names:
        cls = app.registry.get("platforms", name)
        try:
            settings = reader.read(f"platform.{name}").value
            platform = make_platform(app.registry, name, settings, workdir("doctor"))
            problems = [*platform.check(), *platform.caveats()]
        except SebsxError as exc:
            problems = [Problem(str(exc))]
        # A platform that needs an account is not a fault of a machine on which nobody asked for it.
        optional = cls.extra is not None and not platforms
        rows += [
            _row(f"platform {name}", "warning" if optional else item.severity.value, item.message, item.advice)
            for item in problems
        ]
        rows += [] if problems else [_row(f"platform {name}", "ok", cls.summary)]
    return rows


def _row(what: str, status: str, message: str, advice: str = "") -> dict[str, str]:
    return {"what": what, "status": status, "message": message, "advice": advice}


COMMANDS = (clean_command, doctor_command)
