"""Where results live: SQLite or PostgreSQL through SQLAlchemy Core. `open_store` is the way in.

It is loaded when it is first used: what only reads a list of runs (`sebsx.store.index`) does without SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.store.owner import current_owner, is_alive

if TYPE_CHECKING:
    from sebsx.store.writer import Store, open_store

__all__ = ["Store", "current_owner", "is_alive", "open_store"]


def __getattr__(name: str) -> object:
    if name not in ("Store", "open_store"):
        raise AttributeError(f"module 'sebsx.store' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("sebsx.store.writer"), name)  # by name: it imports this package
