"""Outputs that are wrong: what a benchmark's check must notice."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def wrong_shapes() -> list[Any]:
    """Return outputs that no benchmark may take for right."""
    return [None, {}, [], "", 0, {"unexpected": 1}]


def without(output: dict[str, Any], field: str) -> dict[str, Any]:
    """Return an output that lacks a field."""
    return {name: copy.deepcopy(value) for name, value in output.items() if name != field}


def changed(output: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
    """Yield outputs whose one field holds another value of the same type."""
    for value in _others(output[field]):
        if value != output[field]:
            yield copy.deepcopy(output) | {field: value}


def _others(value: Any) -> Iterator[Any]:
    """Yield values of the same type that differ; the later ones are further off."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value * 2 + 1, -value - 1)
    elif isinstance(value, str):
        yield from (value[:-1] + ("0" if value[-1:] != "0" else "1"), value + "x", "")
    elif isinstance(value, list):
        yield from ([*value, *value, None], value[:-1])
    elif isinstance(value, dict):
        yield from ({}, {**value, "unexpected": 1})
        for name in value:
            yield from ({**value, name: other} for other in _others(value[name]))
    else:
        yield "not nothing"
