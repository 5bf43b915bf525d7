"""Where results live: SQLite or PostgreSQL through SQLAlchemy Core. `open_store` is the way in."""

from __future__ import annotations

from sebsx.store.owner import current_owner, is_alive
from sebsx.store.writer import Store, open_store

__all__ = ["Store", "current_owner", "is_alive", "open_store"]
