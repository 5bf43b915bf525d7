"""The version of a store, and the steps that bring an older one up to date.

A new store is created at the newest version from `sebsx.store.schema`. `UPGRADES[n]` turns version n + 1 into
n + 2, inside one transaction with all the others, so that a store is either as before or fully upgraded.
A test holds that upgrading and creating give the same tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, insert, inspect, select

from sebsx import __version__
from sebsx.errors import StoreError
from sebsx.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable


def _interleaved_designs(connection: Connection) -> None:
    """Version 2: the design of a run, the round of an invocation, and names for runs to compare with."""
    _drop_views(connection)
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN design TEXT NOT NULL DEFAULT 'sequential'")
    connection.exec_driver_sql("ALTER TABLE invocation ADD COLUMN round INTEGER")
    schema.baseline.create(connection)
    schema.create_views(connection)


def _restored_starts(connection: Connection) -> None:
    """Version 3: the view `measured` has restored sandboxes where cold ones are wanted."""
    _drop_views(connection)
    schema.create_views(connection)


def _drop_views(connection: Connection) -> None:
    for view in reversed(schema.VIEWS):
        connection.exec_driver_sql(f"DROP VIEW {view}")


UPGRADES: tuple[Callable[[Connection], None], ...] = (_interleaved_designs, _restored_starts)


def newest() -> int:
    """Return the version that this sebsx writes."""
    return 1 + len(UPGRADES)


def version_of(connection: Connection) -> int:
    """Return the version of a store, 0 for a database that holds none."""
    if not inspect(connection).has_table(schema.schema_info.name):
        return 0
    return connection.execute(select(func.max(schema.schema_info.c.version))).scalar_one() or 0


def check(version: int, location: str) -> None:
    """Refuse a store that a newer sebsx wrote.

    Raises:
        StoreError: If it is newer; the message names both versions.
    """
    if version > newest():
        raise StoreError(
            f"store {location!r} has version {version}, and sebsx {__version__} knows up to version {newest()}; "
            "update sebsx, or name another store"
        )


def migrate(connection: Connection, location: str) -> None:
    """Create or upgrade a store inside the caller's transaction; nothing is done to an up-to-date one.

    Raises:
        StoreError: If it is newer than this sebsx.
    """
    version = version_of(connection)
    check(version, location)
    if version == newest():
        return
    if version == 0:
        schema.create_all(connection)
    else:
        for step in UPGRADES[version - 1 :]:
            step(connection)
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    row = {"version": newest(), "sebsx_version": __version__, "changed_at": now}
    connection.execute(insert(schema.schema_info).values(row))
