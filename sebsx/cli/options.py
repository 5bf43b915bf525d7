"""Command-line options derived from a settings dataclass, so that every setting has one and help never lies."""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.errors import UserError
from sebsx.settings import COMMAND_LINE, Layer, Section, option_name, with_options
from sebsx.texts import as_duration, describe, is_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


FAIL_IF = (
    "exit with 1 if any condition is beyond: 'p95>300ms', 'errors>1%', 'warm cost>2.50' (USD per million); repeatable"
)

_SHORT = {"--parameter": "-p", "--platform": "-P"}


def options_of(section: Section, *, positional: bool = False) -> list[click.Parameter]:
    """Return one option for each setting of a section, in order of definition; those marked so are arguments."""
    hints = typing.get_type_hints(section.cls)
    return [
        _argument(item, hints[name])
        if positional and item.metadata["positional"]
        else _option(item, hints[name], section.fields)
        for name, item in section.fields.items()
    ]


def layer_of(section: Section, values: Mapping[str, Any]) -> Layer:
    """Return the options a user gave as the strongest layer of settings."""
    given = {
        f"{section.name}.{name}": _mapping(value, section.fields[name]) if isinstance(value, tuple) else value
        for name, value in values.items()
        if name in section.fields and value not in (None, ())
    }
    return Layer(COMMAND_LINE, given)


def _argument(item: dataclasses.Field[Any], hint: Any) -> click.Argument:
    """Return the argument of a setting; several words of one are read as one list."""
    many = typing.get_origin(hint) is tuple
    name = item.metadata["positional"]
    return click.Argument(
        [item.name], nargs=-1 if many else 1, required=False, metavar=f"[{name}]..." if many else f"[{name}]",
        callback=lambda _ctx, _parameter, value: ",".join(value) or None if many else value,
        shell_complete=completing.of_setting(item.name, item.metadata["choices"]),
    )  # fmt: skip


def names_runs(*, many: bool, metavar: str = "", complete: Any = completing.run) -> Callable[[Any], Any]:
    """Return a decorator: RUN as an argument, `run` or `runs`, and `--campaign` in place of it.

    Args:
        many: Whether several may be named.
        metavar: How the argument is shown.
        complete: What it is completed by.
    """
    argument = click.argument(
        "runs" if many else "run", metavar=metavar or ("RUN..." if many else "RUN"), nargs=-1 if many else 1,
        required=False, shell_complete=complete,
    )  # fmt: skip
    option = click.option(
        "--campaign", metavar="NAME", shell_complete=completing.campaign,
        help=f"The {'runs' if many else 'newest run'} of this campaign, in place of RUN.",
    )  # fmt: skip
    return lambda function: argument(option(function))


def _option(item: dataclasses.Field[Any], hint: Any, fields: Mapping[str, dataclasses.Field[Any]]) -> click.Option:
    name = option_name(item)
    text = with_options(item.metadata["help"], fields) + _default(item)
    if hint is bool:
        return click.Option([f"{name}/--no-{name[2:]}", item.name], default=None, help=text)
    short = [_SHORT[name]] if name in _SHORT else []
    if typing.get_origin(hint) is dict:
        return click.Option([name, *short, item.name], multiple=True, metavar="KEY=VALUE", help=f"{text}; repeatable")
    return click.Option(
        [name, *([_SHORT[name]] if name in _SHORT else []), item.name], metavar=describe(item, hint), help=text,
        shell_complete=completing.of_setting(item.name, item.metadata["choices"]),
    )  # fmt: skip


def _default(item: dataclasses.Field[Any]) -> str:
    default = item.default
    if default in (dataclasses.MISSING, None, (), ""):
        return ""
    shown = ",".join(_shown(item, one) for one in (default if isinstance(default, tuple) else (default,)))
    return f" [default: {shown}]"


def _shown(item: dataclasses.Field[Any], value: Any) -> str:
    """Return a default as it would be typed."""
    return as_duration(value) if is_duration(item.name) and isinstance(value, int | float) else str(value)


def _mapping(pairs: tuple[str, ...], item: dataclasses.Field[Any]) -> dict[str, str]:
    """Return repeated `key=value` words as a mapping; what may be a secret may also be written as `key: value`."""
    secret = item.metadata["secret"]
    found = {}
    for pair in pairs:
        parts = re.fullmatch(r"([^=:]+?)(?:=|:\s*)(.*)" if secret else r"([^=]*)(=)(.*)", pair, re.DOTALL)
        if parts is None:
            shown = "(a secret)" if secret else repr(pair)
            raise UserError(f"{option_name(item)} {shown}: write KEY=VALUE")
        found[parts[1]] = parts[parts.lastindex or 0]
    return found
