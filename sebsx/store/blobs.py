"""The content of files in a table, block by block: on a server, and in a copy that is one file."""

from __future__ import annotations

import io
from itertools import islice
from typing import IO, TYPE_CHECKING

from sqlalchemy import insert, select

from sebsx.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.store.engine import Database

BLOCK_BYTES = 1 << 20
_TOGETHER = 16  # blocks of one transaction

_chunk = schema.artifact_chunk.c


def blocks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file in blocks of 1 MiB, the last one shorter."""
    while block := file.read(BLOCK_BYTES):
        yield block


def add_chunks(database: Database, sha256: str, file: IO[bytes]) -> None:
    """Store the content of a file; blocks that are there already stay.

    Raises:
        StoreError: If it cannot be stored.
    """
    numbered = enumerate(blocks_of(file))
    while some := list(islice(numbered, _TOGETHER)):
        with database.write() as connection:
            there = select(_chunk.number).where(_chunk.sha256 == sha256, _chunk.number.in_([n for n, _ in some]))
            known = set(connection.execute(there).scalars())
            for number, data in some:
                if number not in known:
                    row = {"sha256": sha256, "number": number, "data": data}
                    connection.execute(insert(schema.artifact_chunk).values(row))


class ChunkReader(io.RawIOBase):
    """Reads the content of a file from its table, one block at a time.

    Args:
        database: The open database.
        sha256: The file.
    """

    def __init__(self, database: Database, sha256: str) -> None:
        self._database = database
        self._sha256 = sha256
        self._number = 0
        self._left = b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer is one
        """Fill a buffer from what is left of a block, and return how much; 0 at the end."""
        if not self._left:
            query = select(_chunk.data).where(_chunk.sha256 == self._sha256, _chunk.number == self._number)
            with self._database.read() as connection:
                self._left = bytes(connection.execute(query).scalar() or b"")
            self._number += 1
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
