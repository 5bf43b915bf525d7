"""The commands of plugins: a click command made of what a `Command` says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.app import App, CommandGroup, output_options
from sebsx.cli.mistakes import ListsCommand
from sebsx.cli.options import layer_of, options_of
from sebsx.errors import PluginError
from sebsx.settings import Section

if TYPE_CHECKING:
    from sebsx.cli.console import Console
    from sebsx.contracts.analyzers import Report, Table
    from sebsx.contracts.commands import Command


class PluginCommand(ListsCommand):
    """The command that stands for one of a plugin."""


class PluginGroup(CommandGroup):
    """A group that only commands of plugins are in; its help names them, and whose they are."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._owners: list[str] = []

    def add_of(self, owner: str, command: click.Command) -> None:
        """Add a command of a plugin."""
        self.add_command(command)
        if owner not in self._owners:
            self._owners.append(owner)
        owners = " and ".join(f"plugin {name!r}" for name in self._owners)
        self.help = f"Commands of {owners}: {', '.join(sorted(self.commands))}."


def add_commands(app: App, group: CommandGroup) -> None:
    """Add the commands of all plugins to a group; one whose words core has already is told and left out.

    Those that an earlier App of this process added are taken out: its plugins may be others.
    """
    _take_out(group)
    for name, cls in app.registry.commands.items():
        *groups, last = (cls.words or name).split()
        owner = app.registry.owner_of("commands", name)
        place, taken = group, None
        for word in groups:
            found = place.own(word)
            if found is None:
                found = PluginGroup(word)
                _add(place, owner, found)
            if not isinstance(found, CommandGroup):
                taken = word
                break
            place = found
        if taken or place.own(last):
            app.console.warning(f"command {name!r} is left out: {taken or last!r} is a command of sebsx already")
            continue
        _add(place, owner, _made(last, name, cls))


def _add(place: CommandGroup, owner: str, command: click.Command) -> None:
    if isinstance(place, PluginGroup):
        place.add_of(owner, command)
    else:
        place.add_command(command)


def _take_out(group: click.Group) -> None:
    for name, command in list(group.commands.items()):
        if isinstance(command, PluginCommand | PluginGroup):
            del group.commands[name]
        elif isinstance(command, click.Group):
            _take_out(command)


class _OneResult:
    """What a command says; with `--json` it must be one document, which is what programs read.

    Args:
        console: Where it is shown.
        whose: Who says it, for messages.
    """

    def __init__(self, console: Console, whose: str) -> None:
        self._console, self._whose, self._said = console, whose, 0

    def result(self, document: Any, *tables: Table, text: str = "") -> None:
        """Show the result.

        Raises:
            PluginError: If there was one already: two documents are none.
        """
        self._said += 1
        if self._said > 1:
            raise PluginError(f"{self._whose}: run() said a second result; a command says one")
        self._console.result(document, *tables, text=text)

    def check(self) -> None:
        """Raise if a program waits for a document and there was none."""
        if self._console.json and not self._said:
            raise PluginError(f"{self._whose}: run() said no result (Output.result)")

    def report(self, report: Report) -> None:
        """Show what an analyzer says to people; programs have the document of the result."""
        if not self._console.json:
            self._console.report(report)

    def note(self, text: str) -> None:
        """Say something beside the result."""
        self._console.note(text)

    def warning(self, text: str) -> None:
        """Say what may make the result wrong."""
        self._console.warning(text)


def _made(word: str, name: str, cls: type[Command[Any]]) -> click.Command:
    section = Section(f"command.{name}", cls.Settings)

    @click.pass_obj
    def callback(app: App, /, **values: Any) -> None:
        settings = app.reader((), (), layer_of(section, values)).read(section.name).value
        app.output = output = _OneResult(app.console, app.registry.whose("commands", name))
        cls().run(app, settings)
        output.check()

    text = f"{cls.summary[0].upper()}{cls.summary[1:]}."
    if cls.details:
        text += "\n\n\b\n" + cls.details
    made = PluginCommand(word, params=options_of(section, positional=True), callback=callback, help=text)
    made.section = section
    ready: click.Command = output_options(made)
    return ready
