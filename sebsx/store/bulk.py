"""Reads the many invocations of a run fast: as pages of columns and as arrays, span by span."""

from __future__ import annotations

import json
from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, case, cast, column, func, select, table

from sebsx.errors import StoreError
from sebsx.model import Kind, StartType, Status
from sebsx.model.frame import Frame, coded
from sebsx.model.stored import Page
from sebsx.store import schema
from sebsx.store.columns import check_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from sqlalchemy import ColumnElement, Connection, Select

    from sebsx.model.frame import Codes, Numbers
    from sebsx.store.engine import Database

    Span = tuple[int, int]

SPAN_ROWS = 20_000  # bounds memory, and how long a transaction stays open

_i = schema.invocation.c

# What the metrics of core are made of, where they are not samples.
FIGURES: Mapping[str, ColumnElement[Any]] = {
    "client.latency_s": _i.client_done_s - _i.client_sent_s,
    "client.response_s": _i.client_done_s - _i.client_intended_s,
    "client.connect_s": _i.client_connected_s - _i.client_sent_s,
    "client.first_byte_s": _i.client_first_byte_s - _i.client_sent_s,
    "function.duration_s": _i.function_duration_s,
    "provider.duration_s": _i.provider_duration_s,
    "provider.init_s": _i.provider_init_s,
    "provider.billed_s": _i.provider_billed_s,
    "provider.max_memory_bytes": cast(_i.provider_max_memory_bytes, Double),
    "cost_usd": _i.cost_usd,
}

# The columns that every frame has.
ALWAYS = (
    "sequence", "round", "deployment_id", "cell_id", "client_sent_s", *FIGURES, "kind", "status", "start_type",
)  # fmt: skip

_TEXTS = frozenset({"sandbox_id", "start_evidence", "request_id", "error", "state"})
_ENUMS: Mapping[str, type[StrEnum]] = {"kind": Kind, "status": Status, "start_type": StartType}


class BulkReader:
    """Reads spans of one run: inclusive ranges of `sequence`.

    Args:
        database: The open database.
        key: Row of the run.
    """

    def __init__(self, database: Database, key: int) -> None:
        self._database = database
        self._key = key

    def spans(self) -> list[Span]:
        """Return spans that hold all invocations, each some thousand of them."""
        spans: list[Span] = []
        query = select(_i.sequence).where(_i.run_id == self._key).order_by(_i.sequence).limit(SPAN_ROWS)
        with self._database.read() as connection:
            while True:
                some = (query.where(_i.sequence > spans[-1][1]) if spans else query).subquery()
                first, last = connection.execute(select(func.min(some.c.sequence), func.max(some.c.sequence))).one()
                if first is None:
                    return spans
                spans.append((first, last))

    def page(self, span: Span) -> Page:
        """Return the rows of the view `invocations` and their samples, column by column."""
        with self._database.read() as connection:
            own = [name for name in view_columns(connection, "invocations") if name not in schema.SHARED]
        source = table("invocations", *map(column, ("run", "deployment_id", "cell_id", *own)))
        query = select(source.c.deployment_id, source.c.cell_id, *(source.c[name] for name in own))
        query = query.where(source.c.run == self._ulid, source.c.sequence.between(*span)).order_by(source.c.sequence)
        deployments, cells, *columns = zip(*self._raw(query), strict=True)
        check_columns(
            schema.invocation, ("deployment_id", "cell_id", *own), (deployments, cells, *columns), f"run {self._ulid}"
        )
        values = dict(zip(own, columns, strict=True))
        rows = values["invocation_id"]
        keys = list(zip(deployments, cells, strict=True))
        shared = self._shared(list(dict(zip(keys, rows, strict=True)).values()))  # asked of one row of each
        places = {key: place for place, key in enumerate(shared)}
        return Page(
            groups=[places[key] for key in keys], shared=list(shared.values()), own=values, samples=self._samples(rows)
        )

    def columns(self, span: Span, names: Sequence[str]) -> Frame:
        """Return invocations as arrays: `sequence` and the columns named; see `RunView.frame`.

        Raises:
            StoreError: If something is not a number.
        """
        import numpy as np  # heavy

        numbers = {
            name: FIGURES[name] if name in FIGURES else _i[name] for name in ("sequence", *names) if _is_number(name)
        }
        codes = {name: _code(name, _ENUMS[name]) for name in names if name in _ENUMS}
        where = (_i.run_id == self._key, _i.sequence.between(*span))
        figures = [figure.label(f"c{place}") for place, figure in enumerate([*numbers.values(), *codes.values()])]
        rows = self._raw(select(*figures).where(*where).order_by(_i.sequence))
        try:
            # All at once takes half as long as column by column.
            table_ = np.ascontiguousarray(np.array(rows, dtype=np.float64).reshape(len(rows), len(figures)).T)
            if np.isnan(table_[len(numbers) :]).any():
                raise ValueError("an unknown word")
        except (TypeError, ValueError) as error:
            message = f"run {self._ulid} is damaged: an invocation holds something that is not a number: {error}"
            raise StoreError(f"{message}; take it from a snapshot or measure again") from error
        found = dict(zip(numbers, table_, strict=False))
        words: dict[str, tuple[Codes, Sequence[str | None]]] = {
            name: (column_.astype(np.int32), [word.value for word in _ENUMS[name]])
            for name, column_ in zip(codes, table_[len(numbers) :], strict=True)
        }
        if texts := [name for name in names if name in _TEXTS]:
            rows = self._raw(select(*(_i[name] for name in texts)).where(*where).order_by(_i.sequence))
            words.update({name: coded([row[place] for row in rows]) for place, name in enumerate(texts)})
        patterns = [name for name in names if not (name in numbers or name in _ENUMS or name in _TEXTS)]
        if patterns and len(found["sequence"]):
            found.update(self._samples_at(found["sequence"], patterns))
        return Frame(found, words)

    @cached_property
    def _ulid(self) -> str:
        with self._database.read() as connection:
            query = select(schema.run.c.ulid).where(schema.run.c.id == self._key)
            return str(connection.execute(query).scalar_one())

    @cached_property
    def _metrics(self) -> Mapping[int, str]:
        """Names by row."""
        with self._database.read() as connection:
            return {row.id: row.name for row in connection.execute(select(schema.metric.c.id, schema.metric.c.name))}

    def _shared(self, invocation_ids: Sequence[int]) -> dict[tuple[int, int | None], Mapping[str, Any]]:
        """Return what invocations have in common with others, by deployment and cell."""
        source = table("invocations", *map(column, (*schema.SHARED, "invocation_id")))
        query = select(*(source.c[name] for name in schema.SHARED)).where(source.c.invocation_id.in_(invocation_ids))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return {(row["deployment_id"], row["cell_id"]): {**row, "factors": factors_of(row["factors"])} for row in rows}

    def _samples(self, invocation_ids: Sequence[int]) -> Mapping[str, Sequence[float | None]]:
        """Return the samples of some invocations as columns by name; names that none of them has are left out."""
        c = schema.sample.c
        found: dict[int, dict[int, float]] = defaultdict(dict)
        among = c.invocation_id.between(min(invocation_ids), max(invocation_ids))  # those of others: not looked at
        for row, metric, value in self._raw(select(c.invocation_id, c.metric_id, c.value).where(among)):
            found[metric][row] = value
        columns = {self._metrics[metric]: list(map(values.get, invocation_ids)) for metric, values in found.items()}
        return {name: values for name, values in sorted(columns.items()) if values.count(None) < len(values)}

    def _samples_at(self, sequence: Numbers, patterns: Sequence[str]) -> Mapping[str, Numbers]:
        """Return samples as columns that fit a sequence, NaN where an invocation has none."""
        import numpy as np  # heavy

        wanted = [key for key, name in self._metrics.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]
        c = schema.sample.c
        query = (
            select(c.metric_id, _i.sequence, c.value)
            .join(schema.invocation)
            .where(_i.run_id == self._key, _i.sequence.between(int(sequence[0]), int(sequence[-1])))
            .where(c.metric_id.in_(wanted))
        )
        rows = self._raw(query)
        found = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
        places = np.minimum(np.searchsorted(sequence, found[:, 1]), len(sequence) - 1)
        fits = sequence[places] == found[:, 1]
        columns: dict[str, Numbers] = {}
        for key in np.unique(found[fits, 0]):
            mine = fits & (found[:, 0] == key)
            values = columns.setdefault(self._metrics[int(key)], np.full(len(sequence), np.nan))
            values[places[mine]] = found[mine, 2]
        return columns

    def _raw(self, query: Select[Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a query straight from the driver, which costs a third of SQLAlchemy's rows."""
        with self._database.read() as connection:
            text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            cursor = connection.connection.cursor()
            try:
                cursor.execute(text)
                return list(cursor.fetchall())
            finally:
                cursor.close()


def factors_of(stored: Any) -> Mapping[str, Any]:
    """Return the levels in a row of a view: SQLite has JSON as text."""
    found: Mapping[str, Any] = (json.loads(stored) if isinstance(stored, str) else stored) or {}
    return found


def view_columns(connection: Connection, view: str) -> list[str]:
    """Return the columns of a view in their order."""
    return list(connection.exec_driver_sql(f"SELECT * FROM {view} WHERE 1 = 0").keys())  # noqa: S608  # ours


def _is_number(name: str) -> bool:
    """Tell whether a column is one of numbers: not of words, and no sample."""
    return name in FIGURES or (name in _i and name not in _TEXTS and name not in _ENUMS)


def _code(name: str, enum: type[StrEnum]) -> ColumnElement[Any]:
    """Return the place of a word among those it may be: a million numbers are read faster than words."""
    return case({word.value: place for place, word in enumerate(enum)}, value=_i[name])
