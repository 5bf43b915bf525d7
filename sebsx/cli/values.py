"""What options take, where no setting says it: each reads a word, or says how it is written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from sebsx.settings import one_of
from sebsx.texts import DURATIONS, parse, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable


class Read(click.ParamType[Any]):
    """Reads a word with a function whose `ValueError` begins with the word and says what is wrong with it.

    Args:
        read: Takes the word.
        name: How the value is shown in help texts, in lower case.
    """

    def __init__(self, read: Callable[[str], Any], name: str) -> None:
        self._read = read
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what a word says; a default is there already."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class Word(click.Choice[str]):
    """One of some words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return that it must be one of them, with the nearest."""
        return f"{value!r}: {one_of(str(value), self.choices)}"


def duration(text: str) -> float:
    """Return the seconds of `90s`, `20m` or `2h`.

    Raises:
        ValueError: If it is something else, or negative.
    """
    from sebsx.reading.units import parse_duration  # heavy

    return parse_duration(text)


def exact_duration(text: str) -> Decimal:
    """Return seconds exactly as written, from `0.12`, `120ms` or `2m`.

    Raises:
        ValueError: If it is something else, or negative.
    """
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz ")
    factor = DURATIONS.get(text.strip()[len(number) :].strip() or "s")
    try:
        seconds = Decimal(number) * Decimal(str(factor))
    except InvalidOperation:
        seconds = Decimal("nan")
    if not seconds.is_finite() or seconds < 0:
        raise ValueError(f"{text!r} is not a duration (e.g. 30s, 120ms or 0.12)")
    return seconds


def memory(text: str) -> int:
    """Return MiB from `512`, `512MB` or `1GB`.

    Raises:
        ValueError: If it is something else, or below 1.
    """
    try:
        size_mib: int = parse_quantity(text, int, "memory_mib")
    except ValueError as exc:
        raise ValueError(f"{text!r}: {exc}") from None
    if size_mib < 1:
        raise ValueError(f"{text!r}: must be at least 1")
    return size_mib


def day(text: str) -> date:
    """Return a day.

    Raises:
        ValueError: If it is not written as 2026-09-06.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as 2026-09-06") from None


def exact(text: str) -> Decimal:
    """Return a number of 0 or more exactly as written.

    Raises:
        ValueError: If it is something else.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number < 0:
        raise ValueError(f"{text!r} is not a number of 0 or more")
    return number


def integer(least: int | None = None) -> Read:
    """Return the type of an integer that is not below one."""

    def read(text: str) -> int:
        number: int = _number(text, int)
        if least is not None and number < least:
            raise ValueError(f"{text!r}: must be at least {least}")
        return number

    return Read(read, "n")


def number(above: float, below: float = float("inf"), name: str = "number") -> Read:
    """Return the type of a finite number between two."""

    def read(text: str) -> float:
        found: float = _number(text, float)
        if not above < found < below:
            bound = "" if below == float("inf") else f" and below {below:g}"
            raise ValueError(f"{text!r}: must be above {above:g}{bound}")
        return found

    return Read(read, name)


def _number(text: str, kind: type[Any]) -> Any:
    try:
        return parse(text, kind)
    except ValueError as exc:
        raise ValueError(f"{text!r}: {exc}") from None
