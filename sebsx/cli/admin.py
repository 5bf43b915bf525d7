"""`sebsx clean` and `sebsx doctor`: nothing left behind, and everything in place."""

from __future__ import annotations

from typing import Any

import click

from sebsx.cli.app import App, command
from sebsx.errors import PlatformError, SebsxError, StoreError


@command("clean")
@click.option("--dry-run", is_flag=True, help="List what would be deleted, and delete nothing.")
@click.option("-P", "--platform", "platforms", metavar="A,B", help="Look for orphans on these platforms too.")
def clean_command(app: App, dry_run: bool, platforms: str | None) -> None:
    """Delete what dead runs left behind, by the ledger and by our tags on the platform; living runs are left alone."""
    from sebsx import cleaning  # heavy
    from sebsx.console import rows_table

    chosen = tuple(name.strip() for name in platforms.split(",")) if platforms else ()
    for name in chosen:
        app.registry.get("platforms", name)
    with app.open_store() as store:
        leftovers = cleaning.find(store, app.registry, app.reader(), chosen)
        outcomes = [cleaning.Outcome(item, "would be deleted") for item in leftovers.resources]
        if not dry_run:
            outcomes = cleaning.remove(leftovers, store)
    rows: list[dict[str, Any]] = [
        {
            "platform": outcome.resource.platform,
            "kind": outcome.resource.kind,
            "name": outcome.resource.name,
            "run": outcome.resource.run_id,
            "outcome": outcome.text,
        }
        for outcome in outcomes
    ]
    columns = {key: key for key in ("platform", "kind", "name", "run", "outcome")}
    app.console.result(rows, rows_table("", columns, rows), text="" if rows else "nothing is left behind")
    failed = [outcome for outcome in outcomes if outcome.failed]
    if failed:
        raise PlatformError(f"{len(failed)} of {len(outcomes)} could not be deleted: {failed[0].text}")


@command("doctor")
@click.option("-P", "--platform", "platforms", metavar="A,B", help="Only these platforms [default: all].")
def doctor_command(app: App, platforms: str | None) -> None:
    """Check plugins, store and platforms, and say what to do about what is wrong. Exit code 4 on an error."""
    from sebsx.console import rows_table  # heavy

    rows = [*_check_plugins(app), *_check_store(app), *_check_platforms(app, platforms)]
    columns = {key: key for key in ("what", "status", "message", "advice")}
    app.console.result(rows, rows_table("", columns, rows))
    errors = [row for row in rows if row["status"] == "error"]
    if errors:
        raise PlatformError(f"{errors[0]['what']}: {errors[0]['message']}")


def _check_plugins(app: App) -> list[dict[str, str]]:
    return [
        _row(f"plugin {plugin.name}", "warning" if plugin.error else "ok", plugin.error or plugin.distribution)
        for plugin in app.registry.probed()
    ]


def _check_store(app: App) -> list[dict[str, str]]:
    try:
        with app.open_store() as store:
            return [_row("store", "ok", f"{len(store.runs())} runs in {store.location}")]
    except StoreError as exc:
        return [_row("store", "error", str(exc))]


def _check_platforms(app: App, platforms: str | None) -> list[dict[str, str]]:
    from sebsx.orchestrator import workdir  # heavy

    names = [name.strip() for name in platforms.split(",")] if platforms else sorted(app.registry.platforms)
    reader, rows = app.reader(), []
    for name in names:
        cls = app.registry.get("platforms", name)
        try:
            problems = cls(reader.read(f"platform.{name}").value, workdir("doctor") / name).check()
        except SebsxError as exc:
            rows.append(_row(f"platform {name}", "error", str(exc)))
            continue
        rows += [_row(f"platform {name}", item.severity.value, item.message, item.advice) for item in problems]
        rows += [] if problems else [_row(f"platform {name}", "ok", cls.summary)]
    return rows


def _row(what: str, status: str, message: str, advice: str = "") -> dict[str, str]:
    return {"what": what, "status": status, "message": message, "advice": advice}


COMMANDS = (clean_command, doctor_command)
