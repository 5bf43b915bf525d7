"""Writes batches of invocations with their samples: the one place of the store that must be fast.

Rows go to the driver as tuples, on PostgreSQL through COPY, which costs a third of what SQLAlchemy's own insert
does (`tests/perf/store.py` measures it). On SQLite one statement inserts all samples of an invocation: that halves
their time.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from sebsx.errors import StoreError
from sebsx.model.metrics import CORE_METRICS, Better, Metric
from sebsx.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Table

    from sebsx.model import Invocation
    from sebsx.model.stored import StoredInvocation
    from sebsx.store.checkpoints import Checkpointer

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 500  # samples in one statement; SQLite of before 2020 takes 999 variables
_MOST_SETS = 1000  # of names whose row numbers are remembered


class MetricIds:
    """Row numbers of metrics by name; a member of a family is registered when it is first used.

    `known` are those that need no look into the store.
    """

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self._families: dict[str, Metric] = {}
        self._sets: dict[tuple[str, ...], tuple[int, ...]] = {}

    def register(self, connection: Connection, metrics: Iterable[Metric]) -> None:
        """Add metrics to the registry, or check them against what is stored.

        Raises:
            StoreError: If a metric is stored in another unit: its values could not be compared.
        """
        table = schema.metric
        stored = {row.name: row for row in connection.execute(select(table.c.id, table.c.name, table.c.unit))}
        new: dict[str, Metric] = {}
        for metric in metrics:
            if (row := stored.get(metric.name)) is not None:
                _check_unit(metric, row.unit)
                self._remember(row.id, metric)
            elif metric.name in new:
                _check_unit(metric, new[metric.name].unit)
            else:
                new[metric.name] = metric
        if new:
            statement = insert(table).returning(table.c.id, table.c.name)
            for key, name in connection.execute(statement, [_row_of(metric) for metric in new.values()]):
                self._remember(key, new[name])

    def get(self, connection: Connection, name: str) -> int:
        """Return the row number of a metric.

        Raises:
            StoreError: If nobody registered it.
        """
        (key,) = self.get_all(connection, (name,))
        return key

    def get_all(self, connection: Connection, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the row numbers of metrics; invocations come with the same ones again and again.

        Raises:
            StoreError: If nobody registered one of them.
        """
        found = self._sets.get(names)
        if found is None:
            if len(self._sets) >= _MOST_SETS:  # names may be made up by functions
                self._sets.clear()
            if not self.known.keys() >= set(names):
                self._find(connection, names)
            found = self._sets[names] = tuple([self.known[name] for name in names])
        return found

    def forget(self) -> None:
        """Forget what a transaction that was rolled back may have registered."""
        self.known.clear()
        self._sets.clear()
        self._families.clear()

    def _find(self, connection: Connection, names: Sequence[str]) -> None:
        """Learn the row numbers of names, all with one look into the store: of phases there may be thousands."""
        for row in connection.execute(select(schema.metric)):  # another program, or run, may have registered them
            self._remember(row.id, Metric(row.name, row.unit, better=Better(row.better), meaning=row.meaning))
        self.register(connection, [self._described(name) for name in names if name not in self.known])

    def _described(self, name: str) -> Metric:
        for pattern, family in self._families.items():
            if fnmatchcase(name, pattern):
                return Metric(name, family.unit, better=family.better, meaning=family.meaning)
        if metric := next((metric for metric in CORE_METRICS if metric.name == name), None):
            return metric  # core may have learnt it after the run began
        raise StoreError(
            f"metric {name!r} is not registered; its plugin must return it from sebsx_register_metrics "
            "or from its collector's metrics"
        )

    def _remember(self, key: int, metric: Metric) -> None:
        self.known[metric.name] = key
        if "*" in metric.name:
            self._families[metric.name] = metric


def _row_of(metric: Metric) -> dict[str, str]:
    return {
        "name": metric.name, "unit": metric.unit, "better": metric.better.value,
        "source": metric.source, "meaning": metric.meaning,
    }  # fmt: skip


def _check_unit(metric: Metric, stored: str) -> None:
    if metric.unit != stored:
        raise StoreError(
            f"metric {metric.name!r} is stored in {stored!r} and now comes in {metric.unit!r}; "
            "give the metric a new name, or name another store with --store"
        )


def insert_invocations(
    connection: Connection,
    metrics: MetricIds,
    keys: tuple[int, int, int | None],
    invocations: Sequence[Invocation],
) -> None:
    """Insert invocations and their samples.

    Args:
        connection: In a writing transaction.
        metrics: Names to row numbers.
        keys: Rows of run, deployment and cell.
        invocations: Any number; their sequences are new in the run.

    Raises:
        StoreError: If a sample's metric is not registered, or its value no number.
    """
    numbers = _reserve(connection, len(invocations))
    rows = [(key, *keys, *_figures(item)) for key, item in zip(numbers, invocations, strict=True)]
    samples = _samples_of(connection, metrics, numbers, invocations)
    if connection.dialect.name == "postgresql":
        _copy_rows(connection, schema.invocation, rows)
        _copy_rows(connection, schema.sample, _single_rows(samples))
    else:
        _insert_rows(_cursor(connection).executemany, rows, samples)


def _samples_of(
    connection: Connection, metrics: MetricIds, numbers: Sequence[int], invocations: Sequence[Invocation]
) -> dict[tuple[int, ...], list[tuple[float, ...]]]:
    """Return samples by the metrics that they are of: of each invocation its row number and, in that order, values."""
    found: dict[tuple[int, ...], list[tuple[float, ...]]] = {}
    for key, item in zip(numbers, invocations, strict=True):
        samples: Mapping[str, float] = item.samples
        if not _all_finite(samples.values()):
            samples = {name: value for name, value in samples.items() if is_number(name, value)}
        ids, values = metrics.get_all(connection, tuple(samples)), map(float, samples.values())
        for first in range(0, len(ids), _MOST_AT_ONCE):
            several = ids[first : first + _MOST_AT_ONCE]
            found.setdefault(several, []).append((key, *islice(values, _MOST_AT_ONCE)))
    return found


def _all_finite(values: Iterable[float]) -> bool:
    try:
        return all(map(isfinite, values))
    except (TypeError, OverflowError):  # `is_number` says which and why
        return False


def _single_rows(samples: Mapping[tuple[int, ...], Iterable[tuple[float, ...]]]) -> Iterator[tuple[float, ...]]:
    """Yield the rows of samples one by one."""
    for ids, several in samples.items():
        for key, *values in several:
            for metric, value in zip(ids, values, strict=True):
                yield key, metric, value


class InvocationStream:
    """Inserts invocations one after the other: cheap each time, and safe after `commit`.

    The first `add` after a commit takes the write lock, which is kept until the next: commit often, and write
    nothing else to the store in between.

    Args:
        transaction: Returns a new writing transaction.
        metrics: Names to row numbers.
        keys: Rows of run, deployment and cell.
        checkpoints: Writes the log back where commits do not; closed with the stream.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        metrics: MetricIds,
        keys: tuple[int, int, int | None],
        checkpoints: Checkpointer | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self._transaction = transaction
        self._metrics = metrics
        self._keys = keys
        self._open: AbstractContextManager[Connection] | None = None
        self._connection: Connection | None = None
        self._insert: Callable[[str, Any], Any] | None = None
        self._held: list[Invocation] = []
        self._next = 0

    @property
    def settling(self) -> bool:
        """Whether what was committed is being written to its place: wait with the next `add` if you can."""
        return self._checkpoints is not None and self._checkpoints.settling

    def add(self, items: Sequence[Invocation]) -> None:
        """Insert invocations and their samples; on PostgreSQL they are held until `commit`.

        Raises:
            StoreError: As `Store.add_invocations`; nothing since the last commit is stored.
        """
        if self._connection is None:
            self._begin()
        if self._insert is None:
            self._held += items
            return
        assert self._connection is not None
        try:
            numbers = range(self._next, self._next + len(items))
            self._next += len(items)
            rows = [(key, *self._keys, *_figures(item)) for key, item in zip(numbers, items, strict=True)]
            samples = _samples_of(self._connection, self._metrics, numbers, items)
            _insert_rows(self._insert, rows, samples)
        except BaseException:
            self._end(*sys.exc_info())
            raise

    def commit(self) -> None:
        """Make safe what was added. Harmless when that is nothing."""
        if self._connection is None:
            return
        held, self._held = self._held, []
        try:
            if held:
                insert_invocations(self._connection, self._metrics, self._keys, held)
            values = {"heartbeat_at": datetime.now(UTC).isoformat(timespec="microseconds")}
            self._connection.execute(update(schema.run).where(schema.run.c.id == self._keys[0]).values(values))
        except BaseException:
            self._end(*sys.exc_info())
            raise
        self._end(None, None, None)
        if self._checkpoints is not None:
            self._checkpoints.committed()

    def close(self) -> None:
        """Undo what was not committed. A second call is harmless."""
        if self._connection is not None:
            with contextlib.suppress(_NotCommittedError):
                self._end(_NotCommittedError, _NotCommittedError(), None)
        if self._checkpoints is not None:
            self._checkpoints.close()

    def _begin(self) -> None:
        self._open = self._transaction()
        self._connection = self._open.__enter__()
        if self._connection.dialect.name != "postgresql":
            (self._next, *_) = _reserve(self._connection, 1)
            self._insert = _cursor(self._connection).executemany

    def _end(self, *raised: Any) -> None:
        """Leave the transaction; an exception of the driver becomes one in words."""
        assert self._open is not None
        left, self._open, self._connection, self._insert = self._open, None, None, None
        self._held.clear()
        left.__exit__(*raised)


class _NotCommittedError(Exception):
    """Rolls a transaction back."""


def _figures(item: Invocation) -> tuple[Any, ...]:
    """Return an invocation's values in the order of the table's columns."""
    return (
        item.sequence, item.batch, item.kind.value, clean(item.request_id), item.status.value, item.start_type.value,
        clean(item.start_evidence), clean(item.sandbox_id), clean(item.error),
        item.client_intended_s, item.client_sent_s, item.client_connected_s, item.client_first_byte_s,
        item.client_done_s, item.function_started_s, item.function_finished_s, item.function_duration_s,
        item.provider_duration_s, item.provider_init_s, item.provider_billed_s, item.provider_max_memory_bytes,
        item.bytes_in, item.bytes_out, item.cost_usd, item.round,
        item.attempts, item.accepted_s, item.polls, item.execution, item.parent, clean(item.state), item.client,
    )  # fmt: skip


_RECORDED = (
    "status", "start_type", "start_evidence", "sandbox_id", "provider_duration_s", "provider_init_s",
    "provider_billed_s", "provider_max_memory_bytes", "cost_usd",
)  # fmt: skip


def update_recorded(connection: Connection, invocations: Sequence[StoredInvocation]) -> None:
    """Write what a provider's records change, for invocations that are stored already."""
    c = schema.invocation.c
    statement = (
        update(schema.invocation)
        .where(c.id == bindparam("row"))
        .values({name: bindparam(f"new_{name}") for name in _RECORDED})
    )
    rows = [{"row": item.id, **{f"new_{name}": getattr(item, name) for name in _RECORDED}} for item in invocations]
    if rows:
        connection.execute(statement, rows)


def add_sample(
    connection: Connection, metrics: MetricIds, run_key: int, sequence: int, name: str, value: float
) -> None:
    """Write a sample of an invocation that is stored already, in place of one that it has.

    Raises:
        StoreError: If the metric is not registered, the value is not a number, or there is no such invocation.
    """
    i, c = schema.invocation.c, schema.sample.c
    row = connection.execute(select(i.id).where(i.run_id == run_key, i.sequence == sequence)).scalar()
    if row is None:
        raise StoreError(f"metric {name!r} came for invocation {sequence}, which is not stored")
    if is_number(name, value):
        key = metrics.get(connection, name)
        connection.execute(delete(schema.sample).where(c.invocation_id == row, c.metric_id == key))
        connection.execute(insert(schema.sample).values(invocation_id=row, metric_id=key, value=float(value)))


def clean(text: str | None) -> str | None:
    """Return text that every database takes: NUL and lone surrogates, which a function may print, are escaped."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def is_number(name: str, value: Any) -> bool:
    """Tell whether a value can be stored; what is not finite is left out with a warning.

    Raises:
        StoreError: If it is not a number at all.
    """
    try:
        finite = isfinite(value)
    except TypeError:
        raise StoreError(f"metric {name!r} came as {value!r}; a sample must be a number") from None
    if not finite:
        logger.warning("metric %r came as %r and is left out: a sample must be a finite number", name, value)
    return finite


def _reserve(connection: Connection, n: int) -> Sequence[int]:
    """Return `n` unused row numbers of invocations; SQLite's writing transaction lets nobody in between."""
    if connection.dialect.name == "postgresql":
        sequence = "SELECT nextval(pg_get_serial_sequence('invocation', 'id')) FROM generate_series(1, %s)"
        return connection.exec_driver_sql(sequence, (n,)).scalars().all()
    first = connection.execute(select(func.coalesce(func.max(schema.invocation.c.id), 0) + 1)).scalar_one()
    return range(first, first + n)


def _insert_one(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608  # our names


_INSERT_INVOCATION = _insert_one(schema.invocation)


@lru_cache(maxsize=128)  # as many as the driver keeps compiled
def _insert_samples(ids: tuple[int, ...]) -> str:
    """Return what inserts the samples of one invocation: its row number, then a value of each metric.

    Placeholders have no numbers: Python 3.12 took `?1` for a name at first, and warned at each.
    """
    rows = ", ".join(f"({metric}, ?)" for metric in ids)
    columns = "invocation_id, metric_id, value"
    return f"INSERT INTO sample ({columns}) SELECT ?, column1, column2 FROM (VALUES {rows})"  # noqa: S608  # our numbers


def _insert_rows(
    insert: Callable[[str, Any], Any],
    rows: Sequence[tuple[Any, ...]],
    samples: Mapping[tuple[int, ...], Sequence[tuple[float, ...]]],
) -> None:
    """Insert into SQLite, by `executemany` of the driver."""
    insert(_INSERT_INVOCATION, rows)
    for ids, values in samples.items():
        insert(_insert_samples(ids), values)


def _cursor(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.cursor()


def _copy_rows(connection: Connection, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    names = ", ".join(column.name for column in table.columns)
    with _cursor(connection) as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
