"""What commands share: plugins, settings, the store and the console, each made when first needed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from sebsx.cli.console import Console
from sebsx.errors import UnknownNameError, UserError
from sebsx.reading.services import CORE, Services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.observers import Observer
    from sebsx.reading.repricing import PriceChoice
    from sebsx.settings import Layer, SettingsReader

Described: TypeAlias = "tuple[str, list[tuple[str, str]]]"  # a title, and below it names with their summaries

__all__ = ["CORE", "App", "CommandGroup", "command", "output_options"]


@dataclass
class App(Services):
    """The state of one call of the command line: the services, and the console that shows what they say."""

    commands_added: bool = False
    analyzer_assignments: Sequence[str] = ()  # of --set, what is meant for analyzers
    price_as: PriceChoice | None = None  # by which prices a run is priced where its platform has none
    console: Console = field(default_factory=Console)

    def __post_init__(self) -> None:
        self.output = self.console

    @contextmanager
    def observing(self) -> Iterator[Observer]:
        """Yield who shows the progress of a run."""
        with self.console.progress() as observer:
            yield observer

    def analyzer_reader(self, section: str, *strongest: Layer) -> SettingsReader:
        """Return a reader of the settings of an analyzer, with what `--set` says of it."""
        return self.reader(self.analyzer_assignments, [section], *strongest)


def _turn_on_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:  # not while a shell completes
        ctx.ensure_object(App).console.only_json()


_json_option: Callable[[Any], Any] = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_turn_on_json,
    help="Print one JSON document on stdout and nothing else.",
)


def _turn_on_wide(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(App).console.wide = True


_wide_option: Callable[[Any], Any] = click.option(
    "--wide",
    is_flag=True,
    expose_value=False,
    callback=_turn_on_wide,
    help="Show every column of tables, however wide the terminal.",
)


def output_options(made: Any) -> Any:
    """Add to a command what says how its result is printed: `--wide` and `--json`."""
    return _json_option(_wide_option(made))


_WHOLE = 1000  # characters of a summary


class CommandGroup(click.Group):
    """A group of commands with `--json` and `--wide`, which suggests the nearest one to a word it does not know."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        output_options(self)

    def gather(self, ctx: click.Context) -> None:
        """Add what plugins add to the groups of the program, once: loading them takes longer than most of ours do."""
        root = ctx.find_root().command
        if isinstance(root, CommandGroup) and root is not self:
            root.gather(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of plugins with them."""
        self.gather(ctx)
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of core, or of a plugin if core has none of that name."""
        command = self.own(cmd_name)
        if command is None:
            self.gather(ctx)
            command = self.own(cmd_name)
        return command

    def own(self, name: str) -> click.Command | None:
        """Return what is there under a name by now; no plugin is loaded for it."""
        return self.commands.get(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections; a summary that does not fit on its line goes on below and is not cut."""
        for title, rows in self.described(ctx):
            with formatter.section(title):
                formatter.write_dl(rows)

    def described(self, ctx: click.Context) -> list[Described]:
        """Return the titles under which commands stand in the help text, with names and summaries."""
        found = []
        for title, names in self.sections(ctx):
            shown = [(name, made) for name in names if (made := self.get_command(ctx, name)) and not made.hidden]
            if shown:
                found.append((title, [(name, made.get_short_help_str(_WHOLE)) for name, made in shown]))
        return found

    def sections(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        """Return the titles under which commands stand in the help text, with their names."""
        return [("Commands", self.list_commands(ctx))]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command meant.

        Raises:
            UnknownNameError: If there is none of that name; it suggests the nearest.
        """
        is_option = args[0].startswith("-")
        if not is_option and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise self.unknown(ctx, args[0])
        return super().resolve_command(ctx, args)

    def unknown(self, ctx: click.Context, word: str) -> UserError:
        """Return what is said of a word that is not a command."""
        return UnknownNameError("command", word, self.list_commands(ctx), f"{ctx.command_path} --help")


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command with `--json`, `--wide` and the `App` as first argument."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        make: Callable[[Any], click.Command] = click.command(name, **attributes)
        made: click.Command = output_options(make(click.pass_obj(function)))
        return made

    return decorate
