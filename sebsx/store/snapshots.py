"""Copies a store, or some of its runs, to one SQLite file, whatever database it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, delete, insert, or_, select, true

from sebsx.contracts.exporters import replacing
from sebsx.errors import StoreError, UserError
from sebsx.store import schema
from sebsx.store.artifacts import open_artifact
from sebsx.store.blobs import add_chunks
from sebsx.store.engine import open_database

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from sebsx.store.engine import Database

_BATCH = 5000


def write(database: Database, destination: Path) -> None:
    """Copy a store to a file in one consistent state; the file appears only when it is complete.

    Raises:
        UserError: If something would be lost (`sebsx.contracts.exporters.replacing`), or the folder does not exist.
        StoreError: If it cannot be written.
    """
    if not destination.parent.is_dir():
        raise UserError(f"folder {str(destination.parent)!r} does not exist; create it, or name another")
    with replacing(destination) as part:
        if database.is_sqlite:
            _vacuum_into(database, part, destination)
        else:
            _copy(database, part)
        _add_files(database, part, select(schema.artifact.c.sha256).where(schema.artifact.c.held))


def _vacuum_into(database: Database, part: Path, destination: Path) -> None:
    try:
        with database.outside_transaction() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
    except StoreError as exc:
        if "disk is full" in str(exc):  # the copy's: the store itself is only read
            raise StoreError(f"{str(destination)!r} cannot be written: the disk is full") from exc
        raise


def add_run(database: Database, run_key: int, destination: Path) -> None:
    """Copy one run with all that belongs to it into a store, which is made where it is missing.

    The copy holds it under the same keys, so all runs of a copy must come from the same store.

    Raises:
        StoreError: If it cannot be written.
    """
    tables = [
        table for table in schema.metadata.sorted_tables if table is not schema.artifact_chunk
    ]  # see `_add_files`
    wanted = {table.name: select(table).where(_belongs(table, run_key)) for table in tables}
    copy = open_database(destination)
    try:
        with copy.write() as target:
            target.execute(delete(schema.schema_info))  # it says when a store came to its schema: the source did
        if database.is_sqlite:
            copy.close()
            _add_attached(database, wanted, destination)
        else:
            with database.read() as source, copy.write() as target:
                for name, query in wanted.items():
                    _copy_rows(source, target, name, query)
        copy.close()
        mine = _belongs(schema.artifact, run_key)
        _add_files(database, destination, select(schema.artifact.c.sha256).where(schema.artifact.c.held, mine))
    finally:
        copy.close()


def _add_files(database: Database, destination: Path, query: Select[Any]) -> None:
    """Copy the content of files into a store that is one file, which is in DELETE mode afterwards."""
    with database.read() as connection:
        wanted = list(connection.execute(query).scalars())
    copy = open_database(destination)
    try:
        for sha256 in wanted:
            with open_artifact(database, sha256) as file:
                add_chunks(copy, sha256, file)
        with copy.outside_transaction() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()


def _add_attached(database: Database, wanted: Mapping[str, Select[Any]], destination: Path) -> None:
    """Copy inside SQLite: no row becomes an object of Python."""
    other = MetaData(schema="copy")
    with database.outside_transaction() as connection:
        connection.exec_driver_sql("ATTACH ? AS copy", (str(destination),))
        try:
            connection.exec_driver_sql("BEGIN")
            for name, query in wanted.items():
                table = schema.metadata.tables[name].to_metadata(other)
                connection.execute(insert(table).prefix_with("OR IGNORE").from_select(list(table.c.keys()), query))
            connection.exec_driver_sql("COMMIT")
        finally:
            if connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]  # it is connected
                connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("DETACH copy")


def _belongs(table: Table, run_key: int) -> ColumnElement[bool]:
    """Return which rows of a table belong to a run; tables without a run are few rows, and whole."""
    c = table.c
    if table is schema.run:
        return c.id == run_key
    if "run_id" in c:
        return c.run_id == run_key
    if table is schema.environment:
        return c.id.in_(select(schema.run.c.environment_id).where(schema.run.c.id == run_key))
    if table is schema.sandbox:
        return c.deployment_id.in_(select(schema.deployment.c.id).where(schema.deployment.c.run_id == run_key))
    if table is schema.sample:
        return c.invocation_id.in_(select(schema.invocation.c.id).where(schema.invocation.c.run_id == run_key))
    if "sha256" in c:
        uses = schema.artifact_use.c
        return or_(
            c.sha256.in_(select(schema.deployment.c.package_sha256).where(schema.deployment.c.run_id == run_key)),
            c.sha256.in_(select(uses.sha256).where(uses.run_id == run_key)),
        )
    return true()


def _copy(database: Database, part: Path) -> None:
    copy = open_database(part)
    try:
        with database.read() as source, copy.write() as target:
            for table in schema.metadata.sorted_tables:
                if table not in (schema.schema_info, schema.artifact_chunk):
                    _copy_rows(source, target, table.name, select(table))
    finally:
        copy.close()


def _copy_rows(source: Connection, target: Connection, name: str, query: Select[Any]) -> None:
    """Copy the rows of a query into a table; those that are there already stay."""
    table = schema.metadata.tables[name]
    rows = source.execution_options(yield_per=_BATCH).execute(query)
    for batch in rows.mappings().partitions():
        target.execute(insert(table).prefix_with("OR IGNORE"), [dict(row) for row in batch])
