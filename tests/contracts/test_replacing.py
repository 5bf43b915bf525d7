"""The one rule for files that are written by name: report, export and snapshot."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sebsx.contracts.exporters import replacing
from sebsx.errors import UserError


def write(destination: Path, content: bytes) -> None:
    with replacing(destination) as part:
        part.write_bytes(content)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (b"<!doctype html><p>1", b"<!doctype html><p>2"),
        (b"run,campaign\n1,a\n", b"run,campaign\n2,b\n"),
        (b'{\n "a": 1}', b'{\n "b": 1}'),
        (b"[]", b"[\n 1]"),
        (b"", b"anything"),
    ],
)
def test_what_is_there_is_replaced_by_its_like(tmp_path: Path, older: bytes, newer: bytes) -> None:
    target = tmp_path / "out"
    target.write_bytes(older)
    write(target, newer)
    assert target.read_bytes() == newer


@pytest.mark.parametrize(
    "mine", [b"PK\x03\x04 a document", b"Dear diary", b"\x7fELF", b"SQLite format 3\0" + b"\0" * 84]
)
@pytest.mark.parametrize("new", [b"<!doctype html>", b"run,campaign\n", b'{"a": 1}'])
def test_what_is_of_another_kind_is_never_lost(tmp_path: Path, mine: bytes, new: bytes) -> None:
    target = tmp_path / "mine"
    target.write_bytes(mine)
    with pytest.raises(UserError, match=r"something else|a database"):
        write(target, new)
    assert target.read_bytes() == mine
    assert list(tmp_path.iterdir()) == [target]


def test_block_that_fails_leaves_the_older_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "out.sqlite"
    target.write_bytes(b"")

    def fail() -> None:
        with replacing(target) as part, closing(sqlite3.connect(part)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE figure (x)")
            part.with_name(part.name + "-wal").touch()
            part.with_name(part.name + "-journal").touch()
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        fail()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")  # noqa: PTH110  # at import
def test_device_is_not_replaced() -> None:
    with pytest.raises(UserError, match="device"):
        write(Path("/dev/full"), b"x")
