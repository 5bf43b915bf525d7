"""The input that a user gives in place of the benchmark's own: JSON, or a file of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sebsx.errors import UserError
from sebsx.system.homes import expanded


def events(payload: str) -> list[dict[str, Any]]:
    """Return what every call is given; nothing where the benchmark makes the input.

    Raises:
        UserError: If it is neither a JSON object nor a file of one.
    """
    if not payload.strip():
        return []
    text = payload if payload.lstrip().startswith("{") else _read(payload)
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UserError(f"--payload {payload!r} is not valid JSON: {exc}") from exc
    if not isinstance(event, dict):
        raise UserError(f"--payload {payload!r} is not a JSON object, which is what functions are called with")
    return [event]


def digest(payload: str) -> str:
    """Return the digest of the input, however it is written; empty without one."""
    found = events(payload)
    return hashlib.sha256(json.dumps(found[0], sort_keys=True).encode()).hexdigest() if found else ""


def _read(path: str) -> str:
    try:
        return expanded(path).read_text(encoding="utf-8")
    except (OSError, RuntimeError, ValueError) as exc:  # RuntimeError: `~nobody`
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise UserError(f"--payload {path!r} is neither a JSON object nor a file that can be read: {reason}") from exc
