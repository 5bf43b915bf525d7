"""Certificates of servers that nobody but their owner vouches for."""

from __future__ import annotations

from sebsx.errors import UserError
from sebsx.system.homes import expanded


def text_of(path: str) -> str:
    """Return what is in a file that a setting `certificate` names, as PEM; empty where it names none.

    Raises:
        UserError: If it cannot be read.
    """
    if not path:
        return ""
    try:
        return expanded(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as exc:
        raise UserError(f"certificate {path!r} cannot be read: {exc}; name one with --set certificate=FILE") from exc
