"""Reads runs back, typed, and streaming where there may be a million rows."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Double, cast, column, func, select, table

from sebsx.contracts.runs import RunView
from sebsx.errors import UnknownNameError
from sebsx.model import CellStatus, Kind, PhaseStatus, Run, RunStatus, StartType, Status
from sebsx.model.frame import Frame, joined
from sebsx.model.metrics import Better, Metric
from sebsx.model.stored import (
    StoredCell,
    StoredClient,
    StoredDeployment,
    StoredExecution,
    StoredInvocation,
    StoredPhase,
    StoredSandbox,
    StoredValue,
)
from sebsx.store import schema, snapshots
from sebsx.store.artifacts import copy_artifact, open_artifact, read_artifacts
from sebsx.store.bulk import ALWAYS, FIGURES, BulkReader, factors_of, view_columns
from sebsx.store.columns import check_rows
from sebsx.store.groups import frame_of
from sebsx.store.index import read_runs
from sebsx.store.runs import asking, find_run, record
from sebsx.store.spreading import spread
from sebsx.store.values import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Row, Select, Table

    from sebsx.model import Artifact
    from sebsx.model.stored import Page
    from sebsx.store.bulk import Span
    from sebsx.store.engine import Database

R = TypeVar("R")

_PAGE = 1000  # rows read at once: bounds memory, and no transaction stays open between two pages

_i = schema.invocation.c
_FIELDS = {"execution_id": "execution", "client_id": "client"}  # columns that `Invocation` has under another name
_COLUMNS = {field: name for name, field in _FIELDS.items()}


class StoredRun(RunView):
    """A run in a database; what its methods do is said by `RunView`.

    Args:
        database: The open database.
        key: Row of the run.
    """

    def __init__(self, database: Database, key: int) -> None:
        self._database = database
        self._key = key
        self._bulk = BulkReader(database, key)
        self._kept = Frame({}, {})
        self._kept_names: list[str] = []

    @cached_property
    def run(self) -> Run:
        with self._database.read() as connection:
            return read_runs(asking(connection), key=self._key)[0]

    @property
    def status(self) -> RunStatus:
        return self.run.status

    def beside(self, run_id: str) -> RunView:
        with self._database.read() as connection:
            return StoredRun(self._database, find_run(connection, run_id))

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        query = select(schema.environment.c.facts).join(schema.run).where(schema.run.c.id == self._key)
        with self._database.read() as connection:
            return dict(connection.execute(query).scalar_one())

    def cells(self) -> list[StoredCell]:
        return list(self._cells)

    def deployments(self) -> list[StoredDeployment]:
        return list(self._deployments)

    def sandboxes(self) -> list[StoredSandbox]:
        c = schema.sandbox.c
        query = (
            select(c.id, c.deployment_id, c.sandbox_id, c.facts, c.seen_at)
            .join(schema.deployment)
            .where(schema.deployment.c.run_id == self._key)
            .order_by(c.id)
        )
        return [record(StoredSandbox, row, seen_at=moment(row.seen_at)) for row in self._checked(schema.sandbox, query)]

    def packages(self) -> Mapping[str, Mapping[str, Any]]:
        c = schema.artifact.c
        mine = select(schema.deployment.c.package_sha256).where(schema.deployment.c.run_id == self._key)
        return {row.sha256: row.facts for row in self._all(select(c.sha256, c.facts).where(c.sha256.in_(mine)))}

    def values(self) -> list[StoredValue]:
        c = schema.run_value.c
        query = (
            select(
                schema.metric.c.name.label("metric"),
                c.value,
                c.text,
                c.deployment_id,
                c.cell_id,
                c.stored_at,
                c.sequence,
            )
            .join(schema.metric)
            .where(c.run_id == self._key)
            .order_by(c.id)
        )
        rows = self._all(query)
        own = [str(each.key) for each in query.selected_columns][1:]
        check_rows(schema.run_value, own, [row[1:] for row in rows], f"run {self.run.id}")
        return [record(StoredValue, row, stored_at=moment(row.stored_at)) for row in rows]

    def executions(self) -> list[StoredExecution]:
        c = schema.execution.c
        query = select(*(each for each in c if each.name != "run_id")).where(c.run_id == self._key).order_by(c.sequence)
        return [
            record(StoredExecution, row, status=Status(row.status), purpose=Kind(row.purpose))
            for row in self._checked(schema.execution, query)
        ]

    def execution_frame(self, *, kind: Kind | None = Kind.MEASURED) -> Frame:
        return frame_of([each for each in self.executions() if kind is None or each.purpose is kind])

    def artifacts(self) -> list[Artifact]:
        with self._database.read() as connection:
            return read_artifacts(connection, self._key)

    def open_artifact(self, artifact: Artifact) -> IO[bytes]:
        return open_artifact(self._database, artifact.sha256)

    def copy_artifact(self, artifact: Artifact, destination: Path) -> None:
        copy_artifact(self._database, artifact.sha256, destination)

    def clients(self) -> list[StoredClient]:
        c = schema.client.c
        query = select(*(each for each in c if each.name != "run_id")).where(c.run_id == self._key).order_by(c.id)
        return [record(StoredClient, row) for row in self._checked(schema.client, query)]

    def phases(self) -> list[StoredPhase]:
        c = schema.phase.c
        query = select(*(each for each in c if each.name != "run_id")).where(c.run_id == self._key).order_by(c.id)
        return [record(StoredPhase, row, status=PhaseStatus(row.status)) for row in self._checked(schema.phase, query)]

    def metrics(self) -> Mapping[str, Metric]:
        c = schema.metric.c
        query = select(c.name, c.unit, c.better, c.meaning).order_by(c.name)
        return {
            row.name: Metric(row.name, row.unit, better=Better(row.better), meaning=row.meaning)
            for row in self._all(query)
        }

    def counts(self, cell_id: int | None = None) -> Mapping[tuple[Kind, Status, StartType], int]:
        if self._kept_names:
            return _counted(self._kept if cell_id is None else self._kept.where(self._kept["cell_id"] == cell_id))
        with self._database.read() as connection:
            return read_counts(connection, self._key, cell_id)

    def invocations(
        self,
        cell_id: int | None = None,
        kind: Kind | None = None,
        status: Status | None = None,
        first: int | None = None,
    ) -> Iterator[StoredInvocation]:
        names = {row.id: row.name for row in self._all(select(schema.metric.c.id, schema.metric.c.name))}
        columns = [column_.label(_FIELDS.get(column_.name, column_.name)) for column_ in _i if column_.name != "run_id"]
        query = select(*columns).where(*self._where(cell_id, kind, status))
        if first is not None:
            query = query.where(_i.sequence >= first)
        names_ = [_COLUMNS.get(str(each.key), str(each.key)) for each in query.selected_columns]
        for page in self._pages(query, _i.sequence):
            check_rows(schema.invocation, names_, page, f"run {self.run.id}")
            samples = self._samples([row.id for row in page])
            for row in page:
                yield record(
                    StoredInvocation,
                    row,
                    kind=Kind(row.kind),
                    status=Status(row.status),
                    start_type=StartType(row.start_type),
                    samples={names[metric]: value for metric, value in samples.get(row.id, ())},
                )

    def column(
        self,
        name: str,
        *,
        cell_id: int | None = None,
        kind: Kind | None = None,
        status: Status | None = None,
        start_type: StartType | None = None,
    ) -> list[float]:
        where = self._where(cell_id, kind, status)
        if start_type is not None:
            where.append(_i.start_type == start_type.value)
        figure = FIGURES.get(name)
        if figure is None and name in _i and name.endswith(("_s", "_bytes", "_usd", "bytes_in", "bytes_out")):
            figure = cast(_i[name], Double)
        if figure is not None:
            query = select(figure).where(*where, figure.is_not(None))
        else:
            query = (
                select(schema.sample.c.value)
                .join(schema.invocation)
                .where(*where, schema.sample.c.metric_id == self._metric_id(name))
            )
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(_i.sequence)).scalars())

    def frame(self, *, kind: Kind | None = Kind.MEASURED, more: Sequence[str] = ()) -> Frame:
        wanted = list(dict.fromkeys((*ALWAYS, *more)))
        if self.status is RunStatus.RUNNING:
            found = self._columns(wanted)
        else:  # nothing of it changes any more
            if new := [name for name in wanted if name not in self._kept_names]:
                self._kept = self._kept.beside(self._columns(new))
                self._kept_names += new
            found = self._kept.only(wanted)
        return found if kind is None else found.where(found.equals("kind", kind.value))

    def add_to(self, destination: Path) -> None:
        snapshots.add_run(self._database, self._key, destination)

    def rows(self, view: str = "invocations", columns: Sequence[str] | None = None) -> Iterator[Mapping[str, Any]]:
        names = self.row_columns(view)
        source = table(view, *map(column, names))
        wanted = names if columns is None else list(columns)
        query = select(*(source.c[name] for name in wanted), source.c.sequence).where(source.c.run == self.run.id)
        for page in self._pages(query, source.c.sequence):
            for row in page:
                found = dict(zip(wanted, row, strict=False))
                if "factors" in found:
                    found["factors"] = factors_of(found["factors"])
                yield found

    def map_pages(self, function: Callable[[Page], R]) -> Iterator[R]:
        return self._spread(partial(_of_page, function))

    def sample_names(self) -> list[str]:
        c = schema.sample.c
        mine = select(c.metric_id).join(schema.invocation).where(_i.run_id == self._key)
        query = select(schema.metric.c.name).where(schema.metric.c.id.in_(mine))
        return sorted(row.name for row in self._all(query))

    def row_columns(self, view: str = "invocations") -> list[str]:
        if view not in schema.VIEWS:
            raise UnknownNameError("view", view, schema.VIEWS)
        with self._database.read() as connection:
            return view_columns(connection, view)

    @cached_property
    def _cells(self) -> list[StoredCell]:
        c = schema.cell.c
        query = (
            select(c.id, c.hash, c.position, c.factors, c.wanted, c.status, c.stop_reason, c.error)
            .where(c.run_id == self._key)
            .order_by(c.position)
        )
        return [record(StoredCell, row, status=CellStatus(row.status)) for row in self._checked(schema.cell, query)]

    @cached_property
    def _deployments(self) -> list[StoredDeployment]:
        columns = [column_ for column_ in schema.deployment.c if column_.name != "run_id"]
        query = select(*columns).where(schema.deployment.c.run_id == self._key).order_by(schema.deployment.c.id)
        return [
            record(StoredDeployment, row, created_at=moment(row.created_at))
            for row in self._checked(schema.deployment, query)
        ]

    def _where(self, cell_id: int | None, kind: Kind | None, status: Status | None) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = [_i.run_id == self._key]
        if cell_id is not None:
            where.append(_i.cell_id == cell_id)
        if kind is not None:
            where.append(_i.kind == kind.value)
        if status is not None:
            where.append(_i.status == status.value)
        return where

    def _checked(self, table_: Table, query: Select[Any]) -> Sequence[Any]:
        """Return rows of one table whose values are what its columns may hold.

        Raises:
            StoreError: If one is not.
        """
        rows = self._all(query)
        names = [_COLUMNS.get(str(each.key), str(each.key)) for each in query.selected_columns]
        check_rows(table_, names, rows, f"run {self.run.id}")
        return rows

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _columns(self, names: Sequence[str]) -> Frame:
        frames = list(self._spread(partial(_columns, names=names)))
        return joined(frames) if frames else self._bulk.columns((0, 0), names)

    def _spread(self, work: Callable[[BulkReader, Span], R]) -> Iterator[R]:
        return spread(work, self._bulk, self._database, self._key)

    def _pages(self, query: Select[Any], key: ColumnElement[int]) -> Iterator[Sequence[Row[Any]]]:
        """Yield pages of a query ordered by a unique `key`, which is among its columns as `sequence`."""
        last = None
        while True:
            page = self._all((query if last is None else query.where(key > last)).order_by(key).limit(_PAGE))
            if page:
                yield page
                last = page[-1].sequence
            if len(page) < _PAGE:
                return

    def _samples(self, ids: list[int]) -> Mapping[int, list[tuple[int, float]]]:
        c = schema.sample.c
        found: dict[int, list[tuple[int, float]]] = defaultdict(list)
        query = select(c.invocation_id, c.metric_id, c.value).where(c.invocation_id.in_(ids))
        for invocation, metric, value in self._all(query):
            found[invocation].append((metric, value))
        return found

    def _metric_id(self, name: str) -> int:
        names = {row.name: row.id for row in self._all(select(schema.metric.c.id, schema.metric.c.name))}
        if name not in names:
            raise UnknownNameError("metric", name, {*names, *FIGURES}, "sebsx list metrics")
        return int(names[name])


def _counted(frame: Frame) -> dict[tuple[Kind, Status, StartType], int]:
    """Return what `read_counts` does."""
    import numpy as np  # heavy

    codes, (kinds, statuses, starts) = zip(
        *(frame.codes(name) for name in ("kind", "status", "start_type")), strict=True
    )
    counts = np.zeros((len(kinds), len(statuses), len(starts)), dtype=int)
    np.add.at(counts, codes, 1)
    return {
        (Kind(kinds[kind]), Status(statuses[status]), StartType(starts[start])): int(counts[kind, status, start])
        for kind, status, start in zip(*counts.nonzero(), strict=True)
    }


def _of_page(function: Callable[[Page], R], reader: BulkReader, span: Span) -> R:
    return function(reader.page(span))


def _columns(reader: BulkReader, span: Span, names: Sequence[str]) -> Frame:
    return reader.columns(span, names)


def read_counts(connection: Connection, run_key: int, cell_id: int | None) -> dict[tuple[Kind, Status, StartType], int]:
    """Return how many invocations of a run, or of one cell, there are of each kind, status and start type."""
    query = select(_i.kind, _i.status, _i.start_type, func.count()).where(_i.run_id == run_key)
    if cell_id is not None:
        query = query.where(_i.cell_id == cell_id)
    rows = connection.execute(query.group_by(_i.kind, _i.status, _i.start_type)).all()
    check_rows(schema.invocation, ("kind", "status", "start_type", "count"), rows, "the store")
    return {(Kind(kind), Status(status), StartType(start)): n for kind, status, start, n in rows}
