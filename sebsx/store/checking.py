"""Looks whether a store is damaged: its file, its rows, and the files that it keeps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from sebsx.errors import StoreError
from sebsx.store import schema
from sebsx.store.artifacts import open_artifact
from sebsx.store.blobs import blocks_of
from sebsx.store.columns import TABLES, check_rows
from sebsx.store.values import damaged, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.store.engine import Database

_BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was looked at, and what is wrong with it, one line each."""

    location: str
    runs: int
    files: int
    problems: tuple[str, ...]


def quick(database: Database) -> None:
    """Make sure that an SQLite file is not damaged; a server looks after its own.

    Raises:
        StoreError: If it is damaged.
    """
    if problems := _of_file(database, "quick_check(1)"):
        raise damaged(f"store {database.location!r}", problems[0])


def everything(database: Database) -> Checked:
    """Return what is wrong with the file, with any row, and with any file that is kept."""
    problems = _of_file(database, "integrity_check(20)")
    runs = files = 0
    if not problems:
        with database.read() as connection:
            runs = connection.execute(select(func.count()).select_from(schema.run)).scalar_one()
            held = list(connection.execute(select(schema.artifact.c.sha256).where(schema.artifact.c.held)).scalars())
        files = len(held)
        problems = [*_of_references(database), *_of_rows(database), *_of_files(database, held)]
    return Checked(location=database.location, runs=runs, files=files, problems=tuple(problems))


def _of_file(database: Database, pragma: str) -> list[str]:
    if not database.is_sqlite:
        return []
    try:
        with database.read() as connection:
            lines = [str(line) for (line,) in connection.exec_driver_sql(f"PRAGMA {pragma}")]
    except StoreError as error:
        return [str(error)]
    return [] if lines == ["ok"] else lines


def _of_references(database: Database) -> Iterator[str]:
    if database.is_sqlite:
        with database.read() as connection:
            for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20):
                yield f"row {row} of table {table!r} refers to a row of {parent!r} that is not there"


def _of_rows(database: Database) -> Iterator[str]:
    for table in TABLES:
        try:
            with database.read() as connection:
                rows = connection.execution_options(yield_per=_BATCH).execute(select(table))
                for batch in rows.partitions():
                    check_rows(table, table.c.keys(), batch, f"store {database.location!r}")
                    _check_dates(table.c.keys(), batch)
        except StoreError as error:
            yield str(error)


def _check_dates(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for place, name in enumerate(names):
        if name.endswith("_at"):
            for text in {row[place] for row in rows} - {None}:
                moment(text)


def _of_files(database: Database, held: list[str]) -> Iterator[str]:
    for sha256 in held:
        digest = hashlib.sha256()
        try:
            with open_artifact(database, sha256) as file:
                for block in blocks_of(file):
                    digest.update(block)
        except StoreError as error:
            yield str(error)
            continue
        if digest.hexdigest() != sha256:
            yield f"the file {sha256!r} is not what was stored"
