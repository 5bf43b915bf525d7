"""TOML documents that are almost right: one that uses every key, with a few values of wrong types or wrong keys."""

from __future__ import annotations

import copy
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]
_WORDS = (
    "",
    "x",
    "-1",
    "0",
    "nan",
    "inf",
    "1e999",
    "²",
    "٣",
    "a,b",
    "a=b",
    "../x",
    "/",
    "~nobody",
    "\0",
    "\x1b[2J",
    "9" * 5000,
)


def values(words: Sequence[str] = ()) -> st.SearchStrategy[Any]:
    """Return values of every type of TOML, some of them words that mean something."""
    leaf = st.one_of(
        st.booleans(),
        st.integers(),
        st.sampled_from((0, 1, -1, 2**31, 2**63, 2**64, 10**400)),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from((*_WORDS, *words)),
        st.dates(),
        st.datetimes(),
        st.times(),
    )
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=6,
    )


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Yield the path of everything in a document, tables and lists as well."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        yield (*above, key)
        yield from places(inner, (*above, key))


def wrong(text: str, words: Sequence[str] = ()) -> st.SearchStrategy[str]:
    """Return the text of documents like one, with up to three things changed; and now and then no document at all."""
    document = tomllib.loads(text)
    every = list(places(document))
    change = st.tuples(st.sampled_from(("put", "drop", "rename", "add")), st.sampled_from(every), values(words))
    changed = st.lists(change, min_size=1, max_size=3).map(lambda changes: to_toml(_changed(document, changes)))
    noise = st.tuples(st.integers(0, len(text)), st.integers(0, 20), st.text(max_size=6))
    torn = noise.map(lambda cut: text[: cut[0]] + cut[2] + text[cut[0] + cut[1] :])
    return st.one_of(changed, changed, changed, torn)


def _changed(document: dict[str, Any], changes: list[tuple[str, Place, Any]]) -> dict[str, Any]:
    result = copy.deepcopy(document)
    for what, place, value in changes:
        inner: Any = result
        try:
            for key in place[:-1]:
                inner = inner[key]
            _change(inner, what, place[-1], value)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took that place away
    return result


def _change(table: Any, what: str, key: Any, value: Any) -> None:
    if isinstance(table, dict):
        key = str(key)  # it may have been a list
    if what == "put":
        table[key] = value
    elif what == "drop":
        del table[key]
    elif what == "rename":
        table[f"{key}s"] = table.pop(key)
    elif isinstance(table, list):
        table.append(value)
    else:
        table[str(value)[:20]] = value


def to_toml(document: dict[str, Any]) -> str:
    """Return a document as TOML: every table is written in line."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in document.items())


def _value(value: Any) -> str:
    for kind, written in _WRITTEN:
        if isinstance(value, kind):
            return written(value)
    raise TypeError(type(value))


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def _text(text: str) -> str:
    """Return a basic string: as JSON's, but DEL and characters beyond 16 bits are written otherwise."""
    return "".join(
        json.dumps(char)[1:-1] if char != "\x7f" and ord(char) < 0x10000 else f"\\U{ord(char):08x}" for char in text
    ).join('""')


_WRITTEN: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (bool, lambda value: str(value).lower()),
    (int, str),
    (float, _float),
    (Decimal, str),
    (str, _text),
    ((datetime, date, time), lambda value: value.isoformat()),
    (list, lambda value: f"[{', '.join(map(_value, value))}]"),
    (dict, lambda value: "{" + ", ".join(f"{_text(key)} = {_value(inner)}" for key, inner in value.items()) + "}"),
)
