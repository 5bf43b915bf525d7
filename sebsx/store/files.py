"""A store's file as SQLite alone opens it: whose it is, how it is read without being written, what is said of trouble.

Nothing here needs SQLAlchemy, whose import takes longer than most of what is asked of a store.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sebsx.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT_S = 15.0
NEWEST = 4  # the version that this sebsx writes, see `sebsx.store.migrations`


def address_to_read(path: Path) -> str:
    """Return the URI under which SQLite reads a file without writing anything.

    In write-ahead mode that needs a small file beside the database; where none can be made, and no log waits, the
    database cannot change and is read as it is.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except UnicodeDecodeError:
        pass  # whatever is wrong with it is told by who reads it
    except sqlite3.OperationalError:
        log = path.with_name(path.name + "-wal")
        if not log.exists() or log.stat().st_size == 0:
            return f"{address}&immutable=1"
    return address


def open_newest(path: Path) -> sqlite3.Connection | None:
    """Return a store's file, open to be read, if it is of this version and nothing is to be waited for.

    None for anything else: what is wrong, or older, or locked, is for who opens the store as a whole.
    """
    try:
        if not path.is_file():
            return None
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.0)
    except (OSError, sqlite3.Error):
        return None
    try:
        found = connection.execute("SELECT max(version) FROM schema_info").fetchone()[0]
        if found == NEWEST:
            connection.execute(f"PRAGMA busy_timeout={round(1000 * BUSY_TIMEOUT_S)}")
            return connection
    except (sqlite3.Error, UnicodeDecodeError):
        pass
    connection.close()
    return None


def refuse_foreign(path: Path) -> None:
    """Look whether a file is a store of ours, without changing it.

    Only SQLite opens it: closing a file ends all locks that its process has on it (fcntl), and with those of a store
    that is open here another program would take itself for the last, and delete the log that is written to.

    Raises:
        StoreError: If it is not a database, or somebody else's.
    """
    try:
        if path.is_dir() or not os.access(path, os.R_OK):
            error = errno.EISDIR if path.is_dir() else errno.EACCES
            raise StoreError(f"store {str(path)!r} cannot be read: {os.strerror(error)}")
        with closing(sqlite3.connect(address_to_read(path), uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and not {"schema_info", "invocation"} <= tables:
                raise StoreError(
                    f"{str(path)!r} is an SQLite database of something else; name another file with --store"
                )
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise StoreError(
                f"{str(path)!r} is not a store: it is not an SQLite database; name another with --store"
            ) from error
        raise StoreError(explain(str(error), str(path))) from error
    except UnicodeDecodeError as error:  # in the message of an error, or in the name of a table
        raise StoreError(explain("malformed", str(path))) from error


def from_json(text: Any) -> Any:
    """Return what a column of JSON holds.

    Raises:
        StoreError: If it cannot be read.
    """
    if not isinstance(text, str | bytes):
        return text  # whoever reads the row holds it against its column
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"the store is damaged: {str(text)[:100]!r} stands where JSON should ({error}); "
            "take it from a snapshot or measure again (sebsx db check)"
        ) from error


_ADVICE = (
    ("lock timeout", "another program holds it; wait for it to end"),
    ("locked", "another program holds it; wait for it to end, or name another with --store"),
    ("disk is full", "the disk is full; free some space: what was stored so far is safe"),
    ("No space left", "the disk is full; free some space: what was stored so far is safe"),
    ("disk I/O error", "the disk failed or is full; what was stored so far is safe"),
    ("readonly", "it is read-only; make file and folder writable, or name another with --store"),
    ("read-only", "it is read-only; connect to a server that can be written, or name another with --store"),
    ("unable to open", "it cannot be opened; check that the folder exists and may be read and written"),
    ("not a database", "it is not an SQLite database, or is encrypted; name another with --store"),
    ("malformed", "the file is damaged; take what can be saved with: sqlite3 FILE .recover"),
    ("permission denied", "the user lacks the permission; ask the database's owner to grant it"),
    ("password", "the server refused user or password; check the URL, or use PGPASSWORD or ~/.pgpass"),
    ("connection", "the server cannot be reached; check that it runs, and host, port and database in the URL"),
)


def explain(message: str, location: str) -> str:
    """Return in words what a database says, and what can be done."""
    for word, advice in _ADVICE:
        if word in message:
            return f"store {location!r} cannot be used: {advice} ({first_line(message)})"
    return f"store {location!r} failed: {first_line(message)}"


def first_line(message: str) -> str:
    """Return the first line of what a database says."""
    return message.strip().splitlines()[0] if message.strip() else "no reason given"
