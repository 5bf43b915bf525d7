"""Copies a store to one SQLite file, whatever database it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from sebsx.errors import StoreError, UserError
from sebsx.store import schema
from sebsx.store.engine import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from sebsx.store.engine import Database

_BATCH = 5000


def write(database: Database, destination: Path) -> None:
    """Copy a store to a new file in one consistent state; the file appears only when it is complete.

    Raises:
        UserError: If the file exists or its folder does not.
        StoreError: If it cannot be written.
    """
    if destination.exists():
        raise UserError(f"{str(destination)!r} exists; name a file that does not, or delete it")
    if not destination.parent.is_dir():
        raise UserError(f"folder {str(destination.parent)!r} does not exist; create it, or name another")
    part = destination.with_name(destination.name + ".part")
    try:
        part.unlink(missing_ok=True)
        if database.is_sqlite:
            with database.outside_transaction() as connection:
                connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
        else:
            _copy(database, part)
        part.rename(destination)
    except OSError as error:
        raise StoreError(f"snapshot {str(destination)!r} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(database: Database, part: Path) -> None:
    copy = open_database(part)
    try:
        with database.read() as source, copy.write() as target:
            for table in schema.metadata.sorted_tables:
                if table is not schema.schema_info:
                    _copy_table(source, target, table.name)
        with copy.outside_transaction() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()


def _copy_table(source: Connection, target: Connection, name: str) -> None:
    table = schema.metadata.tables[name]
    rows = source.execution_options(yield_per=_BATCH).execute(select(table))
    for batch in rows.mappings().partitions():
        target.execute(insert(table), [dict(row) for row in batch])
