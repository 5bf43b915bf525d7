"""Holds files by their content: in the folder beside an SQLite file, or in a table of the database.

A file is read in blocks and never whole. Beside an SQLite file it is written under a temporary name, made durable and
renamed before any row names it; in a table its use is stored after its last block. Whoever is killed in between leaves
what nothing refers to, and `sweep` takes that away.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete, exists, insert, or_, select, update

from sebsx.errors import StoreError, UserError
from sebsx.model import Artifact
from sebsx.store import schema
from sebsx.store.blobs import BLOCK_BYTES, ChunkReader, add_chunks, blocks_of
from sebsx.store.invocations import clean
from sebsx.store.values import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from sebsx.store.engine import Database

_PARTIAL = ".partial-"
_YOUNG = timedelta(hours=1)  # nobody takes longer between keeping a file and storing what it is for

_artifact, _use, _chunk = schema.artifact.c, schema.artifact_use.c, schema.artifact_chunk.c


class ArtifactStore:
    """The files of a store.

    Args:
        database: The open database.
        run_key: Returns the row of a run.
    """

    def __init__(self, database: Database, run_key: Callable[[str], int]) -> None:
        self._database = database
        self._run_key = run_key

    def add(
        self,
        run_id: str,
        path: Path,
        *,
        role: str,
        name: str = "",
        deployment_id: int | None = None,
        cell_id: int | None = None,
        sequence: int | None = None,
    ) -> Artifact:
        """Keep a file, and store what it is for; the same content is held once.

        Args:
            run_id: The run it belongs to.
            path: The file; it is read, not moved.
            role: What it is there, in one word.
            name: Its name; that of the file where none is given.
            deployment_id: Row of the deployment it belongs to.
            cell_id: Row of the cell.
            sequence: The invocation of the run.

        Raises:
            UserError: If it cannot be read.
            StoreError: If it cannot be kept; nothing refers to it then.
        """
        key = self._run_key(run_id)
        folder = folder_of(self._database)
        sha256, size = self._into_table(path) if folder is None else self._into_folder(path, folder)
        found = Artifact(
            sha256=sha256, bytes=size, role=role, name=clean(name or path.name) or "", deployment_id=deployment_id,
            cell_id=cell_id, sequence=sequence,
        )  # fmt: skip
        with self._database.write() as connection:
            if folder is not None and not _place(folder, sha256).exists():
                raise StoreError(f"{str(path)!r} was taken away while it was stored; store it again")
            _register(connection, sha256, size, role, str(path), held=True)
            row = {
                "run_id": key, "deployment_id": deployment_id, "cell_id": cell_id, "sequence": sequence,
                "sha256": sha256, "role": role, "name": found.name, "stored_at": now(),
            }  # fmt: skip
            connection.execute(insert(schema.artifact_use).values(row))
        return found

    def mention(self, sha256: str, kind: str, size: int, path: Path, facts: Mapping[str, Any]) -> None:
        """Store where a file lies that is not kept, such as a package; a second call for a digest is harmless.

        Args:
            sha256: Of its content.
            kind: What it is, in one word.
            size: In bytes.
            path: Where it lies on this machine.
            facts: What is known of it, JSON.
        """
        with self._database.write() as connection:
            _register(connection, sha256, size, kind, str(path), held=False, facts=facts)

    def open(self, sha256: str) -> IO[bytes]:
        """Open a file to read from; the caller closes it.

        Raises:
            StoreError: If the store does not hold it.
        """
        return open_artifact(self._database, sha256)

    def sweep(self) -> tuple[int, int]:
        """Delete what nothing refers to, unless it is so young that it may be on its way; return files and bytes."""
        young = (datetime.now(UTC) - _YOUNG).isoformat(timespec="microseconds")
        unused = ~exists().where(_use.sha256 == _artifact.sha256)
        with self._database.write() as connection:
            query = select(_artifact.sha256, _artifact.bytes).where(
                unused,
                or_(_artifact.held, exists().where(_chunk.sha256 == _artifact.sha256)),
                _artifact.stored_at < young,
            )
            gone = {row.sha256: row.bytes for row in connection.execute(query)}
            for sha256 in gone:
                connection.execute(delete(schema.artifact_chunk).where(_chunk.sha256 == sha256))
                connection.execute(delete(schema.artifact).where(_artifact.sha256 == sha256))
            if (folder := folder_of(self._database)) is not None:
                named = set(connection.execute(select(_artifact.sha256).where(_artifact.held)).scalars())
                gone |= dict(_delete_strangers(folder, named))
        return len(gone), sum(gone.values())

    def _into_folder(self, path: Path, folder: Path) -> tuple[str, int]:
        """Copy a file into the folder under its digest."""
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            partial = folder / f"{_PARTIAL}{uuid4().hex}"
            try:
                sha256, size = _copied(path, partial)
                place = _place(folder, sha256)
                place.parent.mkdir(mode=0o700, exist_ok=True)
                partial.replace(place)  # the same content, and young again
                _make_durable(place.parent)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(f"{str(path)!r} cannot be kept in {str(folder)!r}: {reason}") from error
        return sha256, size

    def _into_table(self, path: Path) -> tuple[str, int]:
        """Store a file block by block, a transaction for some of them, so that others can write in between."""
        with _opened(path) as file:
            digest, size = hashlib.sha256(), 0
            for block in blocks_of(file):
                digest.update(block)
                size += len(block)
        sha256 = digest.hexdigest()
        with self._database.write() as connection:
            _register(connection, sha256, size, "", str(path), held=False)
            if connection.execute(select(_artifact.held).where(_artifact.sha256 == sha256)).scalar_one():
                return sha256, size
        with _opened(path) as file:
            add_chunks(self._database, sha256, file)
        return sha256, size


def folder_of(database: Database) -> Path | None:
    """Return the folder of a store's files; None where they are in its tables."""
    if not database.is_sqlite:
        return None
    path = Path(database.location)
    return path.with_name(path.name + ".artifacts")


def open_artifact(database: Database, sha256: str) -> IO[bytes]:
    """Open a file of a store to read from; the caller closes it.

    Raises:
        StoreError: If the store does not hold it.
    """
    folder = folder_of(database)
    if folder is not None:
        with suppress(FileNotFoundError):
            return _place(folder, sha256).open("rb")
    with database.read() as connection:
        if not connection.execute(select(_chunk.number).where(_chunk.sha256 == sha256).limit(1)).first():
            size = connection.execute(
                select(_artifact.bytes).where(_artifact.sha256 == sha256, _artifact.held)
            ).scalar()
            if size != 0:
                raise StoreError(f"store {database.location!r} does not hold the file {sha256!r}")
    return io.BufferedReader(ChunkReader(database, sha256), BLOCK_BYTES)


def copy_artifact(database: Database, sha256: str, destination: Path) -> None:
    """Write a file of a store to a place, and hold that it is what was stored.

    Raises:
        StoreError: If the store does not hold it, or it is damaged.
        UserError: If it cannot be written.
    """
    digest = hashlib.sha256()
    with open_artifact(database, sha256) as source:
        try:
            with destination.open("wb") as file:
                for block in blocks_of(source):
                    digest.update(block)
                    file.write(block)
        except OSError as error:
            raise UserError(f"{str(destination)!r} cannot be written: {error.strerror or error}") from error
    if digest.hexdigest() != sha256:
        destination.unlink(missing_ok=True)
        raise StoreError(f"store {database.location!r} is damaged: the file {sha256!r} is not what was stored")


def read_artifacts(connection: Connection, run_key: int) -> list[Artifact]:
    """Return the files of a run in the order in which they were stored."""
    columns = (_use.sha256, _artifact.bytes, _use.role, _use.name, _use.deployment_id, _use.cell_id, _use.sequence)
    query = select(*columns).join(schema.artifact).where(_use.run_id == run_key).order_by(_use.id)
    return [Artifact(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  # documented


def _register(
    connection: Connection,
    sha256: str,
    size: int,
    kind: str,
    path: str,
    *,
    held: bool,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Store that there is a file; one that was only mentioned is now held."""
    if connection.execute(select(_artifact.sha256).where(_artifact.sha256 == sha256)).first() is None:
        row = {
            "kind": kind,
            "bytes": size,
            "path": clean(path),
            "facts": dict(facts or {}),
            "stored_at": now(),
            "held": held,
        }
        connection.execute(insert(schema.artifact).values(sha256=sha256, **row))
    elif held:
        connection.execute(update(schema.artifact).where(_artifact.sha256 == sha256).values(held=True))
        connection.execute(
            update(schema.artifact).where(_artifact.sha256 == sha256, _artifact.kind == "").values(kind=kind)
        )


def _copied(path: Path, partial: Path) -> tuple[str, int]:
    """Copy a file, make the copy durable, and return its digest and size."""
    digest, size = hashlib.sha256(), 0
    with _opened(path) as source, partial.open("xb") as copy:
        for block in blocks_of(source):
            digest.update(block)
            copy.write(block)
            size += len(block)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest(), size


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"file {str(path)!r} cannot be read: {error.strerror or error}") from error


def _delete_strangers(folder: Path, named: set[str]) -> Iterator[tuple[str, int]]:
    """Delete files that no row names, and copies that were never finished; yield what was deleted."""
    before_s = time.time() - _YOUNG.total_seconds()
    for path in [*folder.glob(f"{_PARTIAL}*"), *folder.glob("??/*")]:
        with suppress(FileNotFoundError):
            status = path.stat()
            if path.name not in named and status.st_mtime < before_s:
                path.unlink()
                yield path.name, status.st_size


def _place(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256


def _make_durable(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
