"""`sebsx db`: where the results are, and what is done with the file as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from sebsx.cli.app import App, CommandGroup, command
from sebsx.errors import StoreError
from sebsx.system.folders import store_file


@click.group("db", cls=CommandGroup)
def db_command() -> None:
    """Find, check, copy and upgrade the stored results."""


@command("path")
def path_command(app: App) -> None:
    """Print where results are stored."""
    location = _printable(app.store_target() or store_file())
    app.console.result({"store": location}, text=location)


@command("upgrade")
def upgrade_command(app: App) -> None:
    """Bring an older store to the schema of this version. Idempotent."""
    with app.open_store() as store:
        before, after = store.upgrade()
    text = f"schema {before} is current" if before == after else f"upgraded from schema {before} to {after}"
    app.console.result({"from": before, "to": after}, text=text)


@command("snapshot")
@click.argument("destination", type=click.Path(dir_okay=False, path_type=Path))
def snapshot_command(app: App, destination: Path) -> None:
    """Copy all results into one SQLite file for other tools.

    Any tool can open it to read: pandas, Datasette, Grafana.
    """
    with app.open_store(read=True, check=True) as store:
        store.snapshot(destination)
    app.console.result({"file": destination}, text=f"wrote {destination}")


@command("check")
def check_command(app: App) -> None:
    """Look for damage: the file, rows of runs, stored files.

    Takes a while.
    """
    with app.console.working("checking"), app.open_store(read=True) as store:
        found = store.check()
    problems = list(found.problems)
    document = {"store": found.location, "runs": found.runs, "files": found.files, "problems": problems}
    app.console.result(
        document, text="\n".join(problems) or f"nothing is damaged: {found.runs} runs, {found.files} files"
    )
    if problems:
        raise StoreError(f"store {found.location!r} is damaged: {problems[0]}")


def _printable(target: str | Path) -> str:
    """Return a path, or a URL without its password."""
    from sqlalchemy import make_url  # heavy

    return make_url(str(target)).render_as_string(hide_password=True) if "://" in str(target) else str(target)


for _command in (path_command, upgrade_command, snapshot_command, check_command):
    db_command.add_command(_command)

COMMANDS = (db_command,)
