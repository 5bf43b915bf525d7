"""What commands share: plugins, settings, the store and the console, each made when first needed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.console import Console
from sebsx.errors import UnknownNameError, UserError
from sebsx.settings import (
    FILE_NAME,
    Layer,
    Section,
    SettingsReader,
    from_assignments,
    from_environment,
    from_file,
    match_environment,
    setting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.plugins import Registry
    from sebsx.store import Store

CORE = "core"


@dataclass(frozen=True)
class CoreSettings:
    """Settings of sebsx itself."""

    store: str | None = setting(None, help="where results are: an SQLite file or a URL", secret=True)
    platform: tuple[str, ...] = setting((), help="platforms to run on; none for the default one")
    collectors: tuple[str, ...] = setting(
        (), help="collectors in functions; none for the default ones", option="--collect"
    )
    options: dict[str, tuple[str, ...]] = setting(
        {}, help="options of functions, each value a level to measure (sebsx list options)", option="--option"
    )
    campaign: str = setting("", help="free label that groups runs")


@dataclass
class App:
    """The state of one call of the command line."""

    store_option: str | None = None
    plugin_names: list[str] | None = None
    commands_added: bool = False
    analyzer_assignments: Sequence[str] = ()  # of --set, what is meant for analyzers
    console: Console = field(default_factory=Console)

    @cached_property
    def registry(self) -> Registry:
        """The plugins."""
        from sebsx import plugins  # only when needed

        return plugins.load(self.plugin_names)

    @cached_property
    def sections(self) -> list[Section]:
        """Every section of settings there is."""
        return [Section(CORE, CoreSettings), *self.registry.sections()]

    @cached_property
    def files(self) -> list[Path]:
        """The settings files that are read, weakest first: the user's, then the project's."""
        import platformdirs  # only when needed

        found = [Path(platformdirs.user_config_dir("sebsx")) / FILE_NAME, Path(FILE_NAME)]
        return [path for path in found if path.is_file()]

    def reader(self, assignments: Sequence[str] = (), in_play: Sequence[str] = (), *strongest: Layer) -> SettingsReader:
        """Return a reader over defaults, files, environment, `--set` and, strongest, the given layers.

        Raises:
            UserError: If a key is unknown; it names key, source and the nearest. Only a warning for a
                section whose plugin is not installed.
        """
        by_name = {section.name: section for section in self.sections}
        layers = [from_file(path) for path in self.files]
        layers.append(match_environment(from_environment(), self.sections))
        layers.append(from_assignments(assignments, "--set", [by_name[name] for name in in_play]))
        reader = SettingsReader([*layers, *strongest], self.sections)
        for key, source, advice in reader.unknown():
            text = f"setting {key!r} from {source} is not known" + (f"; {advice}" if advice else "")
            if key.rpartition(".")[0] in by_name or source == "--set" or advice:
                raise UserError(f"{text} (sebsx config show)")
            self.console.warning(f"{text}: is its plugin installed?")
        return reader

    def core(self) -> CoreSettings:
        """Return the settings of sebsx itself."""
        settings: CoreSettings = self.reader().read(CORE).value
        return settings

    def store_target(self) -> str | None:
        """Return where results are: `--store`, `SEBSX_STORE`, a settings file, or None for the user's data folder."""
        return self.store_option or os.environ.get("SEBSX_STORE") or self._store_in_files()

    @contextmanager
    def open_store(self) -> Iterator[Store]:
        """Open the results."""
        from sebsx.store import open_store  # SQLAlchemy costs start-up time

        with open_store(self.store_target()) as store:
            yield store

    def _store_in_files(self) -> str | None:
        target = None
        for path in self.files:
            target = from_file(path).values.get(f"{CORE}.store", target)
        return target


def _turn_on_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(App).console.json = True


json_option: Callable[[Any], Any] = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_turn_on_json,
    help="Print one JSON document on stdout and nothing else.",
)


class Group(click.Group):
    """A group of commands with `--json`, which suggests the nearest one to a word it does not know."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        json_option(self)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command meant.

        Raises:
            UnknownNameError: If there is none of that name; it suggests the nearest.
        """
        is_option = args[0].startswith("-")
        if not is_option and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise UnknownNameError("command", args[0], self.list_commands(ctx), f"{ctx.command_path} --help")
        return super().resolve_command(ctx, args)


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command with `--json` and the `App` as first argument."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        make: Callable[[Any], click.Command] = click.command(name, **attributes)
        made: click.Command = json_option(make(click.pass_obj(function)))
        return made

    return decorate
