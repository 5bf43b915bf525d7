"""What was typed wrong, in one line: the option or command that it is about, what is wrong, and what to type."""

from __future__ import annotations

import re
import typing
from typing import TYPE_CHECKING, Any

import click

from sebsx.errors import UnknownNameError, UserError
from sebsx.settings import option_name
from sebsx.texts import parse_quantity

if TYPE_CHECKING:
    import dataclasses
    from collections.abc import Sequence

    from sebsx.settings import Section

_EXTRA = re.compile(r"unexpected extra arguments? \((.*)\)", re.DOTALL)


class ListsCommand(click.Command):
    """A command that tells who writes the words of a list apart, as in `--memory 256 512`, to join them."""

    section: Section | None = None  # whose settings the options are

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words.

        Raises:
            UserError: If some of them surely belong to the option before them.
        """
        if self.section is not None and not ctx.resilient_parsing:
            _check_lists(self.section, args)
        return super().parse_args(ctx, args)


def _check_lists(section: Section, words: Sequence[str]) -> None:
    fields = {option: field for field in section.fields.values() if (option := option_name(field)) in words}
    hints = typing.get_type_hints(section.cls) if fields else {}
    for place, word in enumerate(words):
        if word in fields and typing.get_origin(hint := hints[fields[word].name]) is tuple:
            more = _belonging(words[place + 2 :], fields[word], typing.get_args(hint)[0])
            if more:
                joined = ",".join([words[place + 1], *more])
                raise UserError(f"{word} takes one word, with commas in it: {word} {joined}")


def _belonging(words: Sequence[str], field: dataclasses.Field[Any], hint: Any) -> list[str]:
    """Return the words up to one that cannot be of a list: only numbers and words to choose from surely can."""
    found = []
    for word in words:
        if field.metadata["choices"]:
            fits = word in field.metadata["choices"]
        else:
            fits = hint in (int, float) and word[:1].isdecimal() and _parses(word, hint, field.name)
        if not fits:
            break
        found.append(word)
    return found


def _parses(word: str, hint: Any, name: str) -> bool:
    try:
        parse_quantity(word, hint, name)
    except ValueError:
        return False
    return True


def in_one_line(exc: click.ClickException) -> str:
    """Return what click found wrong in our form."""
    context = getattr(exc, "ctx", None)
    see = f" ({context.command_path} --help)" if context else ""
    if isinstance(exc, click.NoSuchOption) and context:
        return _unknown_option(exc, context)
    if isinstance(exc, click.MissingParameter) and exc.param is not None:
        return f"{_name(exc.param)} is missing{see}"
    if isinstance(exc, click.BadParameter) and exc.param is not None:
        colon = "" if exc.message[:1] in "'\"" else ":"
        return f"{_name(exc.param)}{colon} {exc.message}"
    text = exc.format_message().strip().rstrip(".")
    if isinstance(exc, click.BadOptionUsage):
        wrong = "needs a value" if "requires" in text else "takes no value"
        return f"{exc.option_name} {wrong}{see}"
    if found := _EXTRA.search(text):
        return f"unexpected {found[1]!r}{see}"
    shouted = text[:2].isupper()  # a name in capitals begins it
    return f"{text if shouted else text[:1].lower() + text[1:]}{see}"


def _unknown_option(exc: click.NoSuchOption, context: click.Context) -> str:
    name = exc.option_name
    if any(name in parameter.opts for parameter in context.find_root().command.params):
        command = context.command_path.removeprefix(context.find_root().info_name or "").strip()
        return f"{name} goes before the command: sebsx {name} ... {command}"
    typed = name.replace("_", "-")
    long = [option for item in context.command.get_params(context) for option in item.opts if option[:2] == "--"]
    begun = [option for option in long if typed.startswith(f"{option}-")]  # a setting's name, with its unit
    path = context.command_path
    return str(UnknownNameError("option", name, long, f"{path} --help", of=repr(path), meant=begun[:1]))


def _name(parameter: click.Parameter) -> str:
    """Return how a parameter is called on the command line."""
    if isinstance(parameter, click.Argument):
        return (parameter.metavar or parameter.human_readable_name).strip("[].").split("]")[0]
    return max(parameter.opts, key=len)
