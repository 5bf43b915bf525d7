"""Opens the database of a store, and turns what a database says into what a user can do.

A writing transaction takes the write lock at once (`BEGIN IMMEDIATE`, on PostgreSQL an advisory lock): two
writers then wait for each other instead of failing half-way. Reading never changes a file; the first write
switches it to write-ahead logging.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, QueuePool, create_engine, event, exc, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from sebsx.errors import StoreError, UserError
from sebsx.store import files, migrations
from sebsx.system.interrupts import interrupts
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

_LOOK_MS = 4  # how often a writer looks for the lock at least
_WRITING = "BEGIN IMMEDIATE"
_CHECKPOINT_PAGES = 1000  # SQLite's own default
_SQLITE = "sqlite+sebsx"
_COMPILED: LRUCache[Any, Any] = LRUCache(500)


class SqliteDialect(SQLiteDialect_pysqlite):
    """SQLite as every store of a process speaks it: a statement that one compiled serves the others.

    SQLAlchemy keeps what it compiled by dialect, and makes a dialect for each database that is opened.
    """

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register(_SQLITE.replace("+", "."), __name__, SqliteDialect.__name__)


class Database:
    """An open database: transactions to read and to write, with errors in words.

    Args:
        engine: Where it is.
        location: How it is shown; holds no password.
        read_only: Whether nothing may be written.
    """

    def __init__(self, engine: Engine, location: str, *, read_only: bool = False) -> None:
        self.location = location
        self.read_only = read_only
        self.version_found = 0  # before it was opened; 0 for a new one
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._reader = engine
        self._writer = engine.execution_options(sebsx_begin=_WRITING)
        self._plain = engine.execution_options(sebsx_begin="")
        self._logs_ahead = not self.is_sqlite
        self._shared: ExitStack | None = None  # of `together`: what ends its transaction
        self._open: Connection | None = None

    @property
    def target(self) -> str:
        """Opens the same database again (`open_database`); may hold a password."""
        return self.location if self.is_sqlite else self._reader.url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Return a connection in a reading transaction: a consistent picture, until the block ends."""
        if self._open is not None:
            yield self._open
            return
        with self._translated(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that is written inside, begun with the first of it; reading sees it.

        Others wait with their writing meanwhile: nothing inside may wait for anything else. An exception inside undoes
        all of it, so that none may be caught there.
        """
        if self._shared is not None:
            yield
            return
        try:
            with ExitStack() as self._shared:
                yield
        finally:
            self._shared = self._open = None

    @contextmanager
    def write(self, *, checkpoint: bool = True) -> Iterator[Connection]:
        """Return a connection in a writing transaction: committed at the end, rolled back on an exception.

        Interrupts wait for its end: one that met SQLAlchemy between begin and hand-over would leave the transaction
        open, and every later write of the clean-up would wait for it.

        Args:
            checkpoint: Whether SQLite may write its log back in the commit; if not, a `Checkpointer` must.

        Raises:
            StoreError: If the database cannot be written; the message says why and what to do.
        """
        if self.read_only:
            raise StoreError(f"store {self.location!r} was opened to be read, and cannot be written")
        if self._shared is not None and self._open is None:
            self._open = self._shared.enter_context(self._written(checkpoint=checkpoint))
        if self._open is not None:
            with self._translated():
                yield self._open
            return
        with self._written(checkpoint=checkpoint) as connection:
            yield connection

    @contextmanager
    def _written(self, *, checkpoint: bool) -> Iterator[Connection]:
        with interrupts.shielded(), self._translated():
            if not self._logs_ahead:
                with self._plain.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                self._logs_ahead = True
            with self._writer.connect() as connection:
                by_itself = checkpoint or not self.is_sqlite
                with nullcontext() if by_itself else _without_checkpoints(connection), connection.begin():
                    yield connection

    @contextmanager
    def outside_transaction(self) -> Iterator[Connection]:
        """Return a connection whose statements run in no transaction, such as VACUUM (SQLite only)."""
        with self._translated(), self._plain.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        self._reader.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise StoreError(files.explain(str(error.orig or error), self.location)) from error
        except self._driver_error as error:  # of what went past SQLAlchemy
            raise StoreError(files.explain(str(error), self.location)) from error
        except UnicodeDecodeError as error:  # of the driver: text, or its message about it, is not UTF-8
            raise StoreError(files.explain("malformed: text that is not UTF-8", self.location)) from error
        except (exc.SQLAlchemyError, OverflowError) as error:  # sqlite3's own word for an integer beyond 64 bits
            raise StoreError(f"store {self.location!r} failed: {files.first_line(str(error))}") from error


def open_database(target: str | Path, *, read_only: bool = False) -> Database:
    """Return the database at a path or URL, created or upgraded to the newest version.

    Args:
        target: The path or URL.
        read_only: Write nothing, so that it may lie where nothing can be written. One that is not there yet, or older
            than this sebsx, is opened to be written after all.

    Raises:
        UserError: If the URL is of no kind that sebsx knows.
        StoreError: If it cannot be opened, is not a store, or was written by a newer sebsx.
        MissingDependencyError: If it needs a driver that is not installed.
    """
    url = _url(target)
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(Path(url.database or ""), read_only=read_only)
    return _open_postgresql(url, read_only=read_only)


def _url(target: str | Path) -> URL:
    text = str(target)
    if not _is_file(text) or (text.startswith("sqlite:") and not _is_file(text.partition("://")[2].lstrip("/"))):
        raise UserError("a store must be a file or a server, so that results outlive the program; give a path")
    if "://" not in text:
        try:
            return URL.create("sqlite", database=str(Path(text).expanduser()))
        except RuntimeError:  # `~nobody`: results in a folder of that name would be lost from sight
            raise UserError(f"the home folder in {text!r} is not known; give a whole path") from None
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):  # such as a port that is no number
        raise UserError("the store's URL cannot be read; write postgresql+psycopg://USER@HOST/DATABASE") from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and _is_file(url.database):
        return url
    raise UserError(
        f"a store of kind {url.drivername!r} is not known; give a path or postgresql+psycopg://USER@HOST/DATABASE"
    )


def _is_file(name: str | None) -> bool:
    """Tell whether SQLite would make a file of a name, and not a database that is lost with the program."""
    return bool(name) and ":memory:" not in str(name) and "mode=memory" not in str(name)


def _open_sqlite(path: Path, *, read_only: bool) -> Database:
    location = str(path)
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise StoreError(
                f"store {location!r} is not a file but a pipe, a socket or a device; name another with --store"
            )
        empty = not path.exists() or path.stat().st_size == 0
    except OSError as error:
        raise StoreError(f"store {location!r} cannot be opened: {error.strerror}; name another with --store") from error
    if empty and read_only:
        return _open_sqlite(path, read_only=False)
    if not empty:
        files.refuse_foreign(path)
    if read_only:
        return _open_to_read(path)
    engine = create_engine(
        URL.create(_SQLITE, database=location),
        execution_options={"compiled_cache": _COMPILED},
        connect_args={"timeout": files.BUSY_TIMEOUT_S, "check_same_thread": False},
        json_serializer=_to_json,
        json_deserializer=files.from_json,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return _migrated(Database(engine, location))


def _open_to_read(path: Path) -> Database:
    """Return a database that is not written to, upgraded before if it is older."""
    address = files.address_to_read(path)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=files.BUSY_TIMEOUT_S, check_same_thread=False)

    engine = create_engine(
        f"{_SQLITE}://",
        execution_options={"compiled_cache": _COMPILED},
        creator=connect,
        poolclass=QueuePool,
        json_serializer=_to_json,
        json_deserializer=files.from_json,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    database = Database(engine, str(path), read_only=True)
    return _current(database) or _open_sqlite(path, read_only=False)


def _open_postgresql(url: URL, *, read_only: bool) -> Database:
    require("psycopg", extra="postgresql")
    engine = create_engine(url, json_serializer=_to_json, json_deserializer=files.from_json)
    event.listen(engine, "begin", _lock_for_writing)
    location = url.set(query={}).render_as_string(hide_password=True)  # a query may hold a password too
    if read_only and (current := _current(Database(engine, location, read_only=True))):
        return current
    return _migrated(Database(engine, location))


def _current(database: Database) -> Database | None:
    """Return a database that is read only if its version is the newest; it is closed otherwise.

    Raises:
        StoreError: If it is newer than this sebsx, or cannot be read.
    """
    current = False
    try:
        with database.read() as connection:
            database.version_found = migrations.version_of(connection)
        migrations.check(database.version_found, database.location)
        current = database.version_found == files.NEWEST
    finally:
        if not current:
            database.close()
    return database if current else None


def _migrated(database: Database) -> Database:
    try:
        with database.read() as connection:
            database.version_found = migrations.version_of(connection)
        migrations.check(database.version_found, database.location)
        if database.version_found < files.NEWEST:
            with database.write() as connection:
                migrations.migrate(connection, database.location)
    except BaseException:
        database.close()
        raise
    return database


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by `_on_begin` alone
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-16000")  # KiB: a transaction of load stays in memory until its commit


@contextmanager
def _without_checkpoints(connection: Connection) -> Iterator[None]:
    """Keep a connection from writing the log back; the pool gets it as it was."""
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA wal_autocheckpoint=0")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")


def _on_begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get("sebsx_begin", "BEGIN")
    if statement == _WRITING:
        _begin_writing(connection)
    elif statement:
        connection.exec_driver_sql(statement)


def _begin_writing(connection: Connection) -> None:
    """Take the write lock as soon as it is free.

    SQLite's own wait looks every 100 ms in the end, and misses the gaps of milliseconds that a run under load leaves.
    """
    driver: Any = connection.connection.driver_connection
    until_s = time.monotonic() + files.BUSY_TIMEOUT_S
    driver.execute(f"PRAGMA busy_timeout={_LOOK_MS}")
    try:
        while time.monotonic() < until_s:
            try:
                driver.execute(_WRITING)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            else:
                return
        connection.exec_driver_sql(_WRITING)  # raises what is in the way
    finally:
        driver.execute(f"PRAGMA busy_timeout={round(1000 * files.BUSY_TIMEOUT_S)}")


def _lock_for_writing(connection: Connection) -> None:
    """Let one program write at a time, as SQLite does, so that looking up and inserting cannot race."""
    if connection.get_execution_options().get("sebsx_begin"):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{files.BUSY_TIMEOUT_S:.0f}s'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7310587)")


def _to_json(value: Any) -> str:
    return json.dumps(value, default=str)
