"""Values of settings as text: what a command line, a file or a variable says, by the type of its field, and back."""

from __future__ import annotations

import json
import re
import types
import typing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dataclasses
    from collections.abc import Mapping

_SIGNS = frozenset(',=[]{}"')  # what words of lists and mappings cannot have unless they are written as JSON

DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_HOURS = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0}
_MEMORY = {"mb": 1.0, "mib": 1.0, "m": 1.0, "gb": 1024.0, "gib": 1024.0, "g": 1024.0}
# What the names of settings end with, and what a number may be followed by there, in that unit.
QUANTITIES = {"_s": DURATIONS, "_h": _HOURS, "_mib": _MEMORY}
_EXAMPLES = {
    "_s": "write a duration, such as 30s or 2m",
    "_h": "write hours, such as 24, 24h or 2d",
    "_mib": "write MiB as a number, such as 256, or 256MB or 1GB",
}
_SHARE = {"%": 0.01}
_EXAMPLE_OF_SHARE = "write a share, such as 0.05 or 5%"
_QUANTITY = re.compile(r"\s*(-?[0-9]*\.?[0-9]+)\s*([A-Za-z%]+)\s*")
_SEPARATORS = re.compile(r"(?<=[0-9A-Za-z]) *(?:[;: ]|\.\.|-) *(?=[0-9])")  # of numbers, where a comma is wanted


def describe(field: dataclasses.Field[Any], hint: Any) -> str:
    """Return what a field takes, for help texts: `NUMBER`, `INTEGER,...`, `cold|warm`, `KEY=VALUE`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    many = ",..." if origin is tuple else ""
    if metavar := field.metadata.get("metavar"):
        return f"{metavar}{many}"
    if field.metadata.get("choices"):
        return "|".join(field.metadata["choices"]) + many
    if origin is dict:
        return "KEY=VALUE,..." if typing.get_origin(args[1]) is tuple else "KEY=VALUE"
    if origin in (tuple, types.UnionType, typing.Union):
        hint = next(arg for arg in args if arg not in (type(None), ...))
    if is_duration(field.name) and hint in (int, float):
        return "TIME" + many
    words = {bool: "true|false", int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}
    return words.get(hint, getattr(hint, "__name__", str(hint)).upper()) + many


def parse(value: Any, hint: Any) -> Any:  # noqa: C901  # one branch per type is plainer than a table
    """Return `value` (text from a command line, or a TOML value) as the type `hint`.

    Raises:
        ValueError: If it does not fit; the message says what is wanted.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None or (isinstance(value, str) and value.lower() in ("", "none")):
            return None
        return parse(value, next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        items = _items(value) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            items = [items]
        return tuple(parse(item, args[0]) for item in items)
    if origin is dict:
        value = _from_json(value, dict) if isinstance(value, str) and value.lstrip().startswith("{") else value
        return _parse_lists(value) if typing.get_origin(args[1]) is tuple else _parse_mapping(value)
    if hint is bool:
        return _parse_bool(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint in (int, float):
        return _parse_number(value, hint)
    if hint is Path:
        return _parse_path(str(value))
    if hint is str and not isinstance(value, str):
        raise ValueError("a word is wanted")
    return value


def as_duration(seconds: float) -> str:
    """Return a time as it is typed: `10m`, `30s`, `250ms`; 0 has no unit."""
    if not seconds:
        return "0"
    unit = next((unit for unit in ("d", "h", "m", "s") if not seconds % DURATIONS[unit]), "s")
    if unit == "s" and seconds < 1:
        unit = "ms"
    return f"{seconds / DURATIONS[unit]:g}{unit}"


def is_duration(name: str) -> bool:
    """Tell whether a field is a time in seconds, by its name; what counts something for each second is none."""
    return name.endswith("_s") and not name.endswith("_per_s")


def is_count(name: str, hint: Any) -> bool:
    """Tell whether a field counts something: an integer that is neither a size nor a seed."""
    is_integer = hint is int or int in typing.get_args(hint)
    return is_integer and not name.endswith(("_bytes", "_mib", "seed"))


def parse_quantity(value: Any, hint: Any, name: str, *, share: bool = False) -> Any:
    """Return `value` as `parse` does; where the name of the field ends in a unit, it may be written with another.

    `timeout_s` takes `30`, `30s` and `2m`, `memory_mib` takes `512`, `512MB`, `512 MiB` and `1GB`: clouds say MB where
    they mean MiB. A share takes `5%`.

    Raises:
        ValueError: If it does not fit; the message says what is wanted.
    """
    try:
        return parse(value, hint)
    except ValueError as exc:
        ending = next((ending for ending in QUANTITIES if name.endswith(ending) and not name.endswith("_per_s")), None)
        if ending is None and not share:
            raise ValueError(f"{exc}{_with_commas(value, hint)}") from None
        parts = _items(value) if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        converted = [_converted(part, QUANTITIES[ending] if ending else _SHARE) for part in parts]
        try:
            return parse(converted[0] if isinstance(value, str) and len(converted) == 1 else converted, hint)
        except ValueError:
            example = _with_commas(value, hint) or f"; {_EXAMPLES[ending] if ending else _EXAMPLE_OF_SHARE}"
            raise ValueError(f"{exc}{example}") from None


def _with_commas(value: Any, hint: Any) -> str:
    """Return how a list of numbers is written, if something else stands between them."""
    if typing.get_origin(hint) is not tuple or not isinstance(value, str):
        return ""
    written = ",".join(filter(None, map(str.strip, _SEPARATORS.sub(",", value).split(","))))
    return f"; write {written}" if written != value.strip() else ""


def _converted(part: Any, units: Mapping[str, float]) -> Any:
    """Return a number with a unit in the field's own unit; anything else as it is."""
    found = _QUANTITY.fullmatch(part) if isinstance(part, str) else None
    factor = units.get(found[2].lower()) if found else None
    if found is None or factor is None:
        return part
    number = float(found[1]) * factor
    return int(number) if number.is_integer() else number


def as_text(value: Any) -> str:
    """Return a value of `public` as text that `parse` reads back as the same.

    Lists and mappings are written with commas, and as JSON where one of their words has such a sign itself.
    """
    if isinstance(value, dict):
        return _pairs(value) if all(map(_is_plain, value)) and all(map(_is_plain, value.values())) else _json(value)
    if isinstance(value, list | tuple):
        return ",".join(map(as_text, value)) if not value or _is_plain(value) else _json(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _pairs(value: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={as_text(item)}" for key, item in value.items())


def _is_plain(value: Any) -> bool:
    """Return whether a word, or each of a list that has any, means itself between commas."""
    if isinstance(value, list | tuple):
        return bool(value) and all(not isinstance(item, list | tuple) and _is_plain(item) for item in value)
    text = as_text(value)
    return bool(text) and text == text.strip() and not set(text) & _SIGNS


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _items(text: str) -> list[Any]:
    """Return the items of a list: words between commas, or a JSON array; nothing is the empty list."""
    if text.lstrip().startswith("["):
        found: list[Any] = _from_json(text, list)
        return found
    return [word.strip() for word in text.split(",")] if text.strip() else []


def _from_json(text: str, kind: type[Any]) -> Any:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"it is not valid JSON ({exc})") from None
    if not isinstance(found, kind):
        raise ValueError("it is not valid JSON of the kind that is wanted")
    return found


def _parse_path(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as exc:  # `~nobody`, or a user without a home
        raise ValueError(f"its home folder is not known: {exc}") from exc


def _parse_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("true or false is wanted")


def _parse_number(value: Any, hint: type[int | float]) -> int | float:
    wanted = "an integer is wanted" if hint is int else "a number is wanted"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(wanted)
    try:
        number = hint(value)
    except (ValueError, OverflowError):  # of an infinity, or of more digits than a float has room for
        raise ValueError(wanted) from None
    if number != number or number in (float("inf"), float("-inf")) or (isinstance(value, float) and number != value):
        raise ValueError(wanted)
    return number


def _parse_mapping(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(key): str(item) for key, item in value.items()}
    if not isinstance(value, str):
        raise ValueError("key=value pairs are wanted")
    pairs = [pair.partition("=") for pair in value.split(",") if pair]
    if any(not equals for _, equals, _ in pairs):
        raise ValueError("key=value pairs are wanted")
    return {key.strip(): item for key, _, item in pairs}


def _parse_lists(value: Any) -> dict[str, tuple[str, ...]]:
    """Return lists by key: from `a=1,2,b=x` a word without `=` belongs to the key before it."""
    if isinstance(value, dict):
        return {
            str(key): tuple(map(_word, item if isinstance(item, list | tuple) else str(item).split(",")))
            for key, item in value.items()
        }
    found: dict[str, list[str]] = {}
    key = ""
    for part in filter(None, str(value).split(",")):
        name, equals, item = part.partition("=")
        key = name.strip() if equals else key
        if not key:
            raise ValueError("write KEY=VALUE,...")
        found.setdefault(key, []).append((item if equals else part).strip())
    return {name: tuple(items) for name, items in found.items()}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
