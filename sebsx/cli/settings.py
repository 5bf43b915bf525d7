"""`sebsx config` and `sebsx completion`."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, CommandGroup, command
from sebsx.cli.values import Word
from sebsx.errors import UserError
from sebsx.settings import public

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.analyzers import Table

_SHELLS = ("bash", "zsh", "fish")


@click.group("config", cls=CommandGroup)
def config_command() -> None:
    """Show settings, and where each value came from."""


@command("show")
@click.argument("section", required=False, shell_complete=completing.section)
@click.option("-s", "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As in `sebsx run`.",
              shell_complete=completing.assignment)  # fmt: skip
@click.option("--changed", is_flag=True, help="Only those that are not the default.")
def show_command(app: App, section: str | None, assignments: tuple[str, ...], changed: bool) -> None:
    """Show settings of one SECTION (`platform.local`) or all, with their source.

    Set them in sebsx.toml (`[platform.local]`), in the environment (`SEBSX_PLATFORM__LOCAL__...`) or with --set.
    """
    from sebsx.errors import UnknownNameError

    names = [item.name for item in app.sections]
    if section is not None and section not in names:
        raise UnknownNameError("section", section, names, "sebsx config show")
    reader = app.reader(assignments, names)
    rows: list[dict[str, Any]] = []
    for item in app.sections:
        if section not in (None, item.name):
            continue
        resolved = reader.read(item.name)
        values = public(resolved.value)
        for name, metadata in item.fields.items():
            source = resolved.sources[name]
            if changed and source == "default":
                continue
            rows.append(
                {
                    "setting": f"{item.name}.{name}",
                    "value": values.get(name, "(secret)" if getattr(resolved.value, name) else None),
                    "source": source,
                    "help": metadata.metadata["help"],
                }
            )
    app.console.result(rows, *_tables(rows), text="" if rows else "every setting has its default")


@command("completion")
@click.argument("shell", type=Word(_SHELLS), metavar="[SHELL]", required=False)
def completion_command(app: App, shell: str | None) -> None:
    """Print the tab completion of a shell.

    To use it: `eval "$(sebsx completion bash)"`.
    """
    from click.shell_completion import get_completion_class  # heavy

    from sebsx.cli import cli  # a cycle otherwise

    name = shell or Path(os.environ.get("SHELL", "")).name
    if not name:
        raise UserError(f"say which shell: sebsx completion {'|'.join(_SHELLS)}")
    completion = get_completion_class(name) if name in _SHELLS else None
    if completion is None:
        raise UserError(f"shell {name!r} has no completion; name one of {', '.join(_SHELLS)}")
    source = completion(cli, {}, "sebsx", "_SEBSX_COMPLETE").source()
    app.console.result({"shell": name, "source": source}, verbatim=source)


def _tables(rows: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    """Yield a table for each section: names without it are short enough to leave room for the values."""
    from sebsx.contracts.analyzers import Column, Table  # heavy

    columns = [Column(key, key, essential=key in ("value", "help")) for key in ("setting", "value", "source", "help")]
    for section, members in groupby(rows, key=lambda row: row["setting"].rpartition(".")[0]):
        shown = [{**row, "setting": row["setting"].rpartition(".")[2], "value": _word(row["value"])} for row in members]
        yield Table(section, columns=columns, rows=shown)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None or value == {} or value == "" else str(value)


config_command.add_command(show_command)

COMMANDS = (config_command, completion_command)
