"""JSON from outside: bounded in size and depth, so that no answer, log line or file ends a run.

Parsing takes about five times the memory of the text, and whatever walks a value that is nested a thousand deep fails
in a place that does not expect it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
ANSWER_BYTES = 64 * MIB
"""Largest answer that is read: ten times what providers allow."""
LINE_BYTES = 2 * MIB
"""Largest line of a provider's log that is read as JSON."""
DEEPEST = 100
"""Deepest nesting that is read."""


class UntrustedJsonError(ValueError):
    """Text that is not JSON, or JSON that is too large or nested too deeply."""


def parse_json(data: bytes | str, most_bytes: int = ANSWER_BYTES, deepest: int = DEEPEST) -> Any:
    """Return the value of JSON text that somebody else wrote.

    Args:
        data: Text, or its UTF-8.
        most_bytes: Largest text that is parsed.
        deepest: Deepest nesting that is returned; a number or a text alone has none.

    Raises:
        UntrustedJsonError: If it is not JSON, too large or nested too deeply; the message quotes nothing.
    """
    if len(data) > most_bytes:
        raise UntrustedJsonError(f"{len(data)} bytes are more than the {most_bytes} that are read")
    decode, refusals = _decoder()
    try:
        try:
            value = decode(data)
        except refusals:  # not JSON, or what Python alone takes for it: NaN, half of a character
            value = _decoded(data)
    except RecursionError:
        raise UntrustedJsonError(f"it is nested more than {deepest} deep") from None
    except ValueError as exc:
        raise UntrustedJsonError("it is not JSON") from exc
    opened = data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")
    if opened > deepest and _depth(value, deepest) > deepest:
        raise UntrustedJsonError(f"it is nested more than {deepest} deep")
    return value


def _decoded(data: bytes | str) -> Any:
    return json.loads(data if isinstance(data, str) else data.decode())  # given bytes, it would guess at their encoding


@cache
def _decoder() -> tuple[Callable[[bytes | str], Any], tuple[type[Exception], ...]]:
    """Return what decodes JSON, and what it raises for what it does not take.

    That is msgspec where it is installed, in a fifth of Python's own time. What it takes has the value that Python's
    gives it, large integers included, which orjson makes floats of.
    """
    try:
        import msgspec  # here: most commands read nothing from outside
    except ImportError:
        return _decoded, ()
    return msgspec.json.Decoder().decode, (msgspec.MsgspecError, UnicodeError)


def _depth(value: Any, most: int) -> int:
    """Return how deeply a value is nested, `most + 1` for anything deeper; without recursion."""
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level and depth <= most:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
    return depth
