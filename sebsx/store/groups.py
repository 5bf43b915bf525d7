"""Writes what holds invocations together: executions, phases of load, and the machines that sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from sebsx.model import CellStatus, Kind, PhaseStatus, Status
from sebsx.model.frame import Frame, coded
from sebsx.store import schema
from sebsx.store.invocations import clean, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from sebsx.model import Client, Execution
    from sebsx.model.stored import StoredExecution
    from sebsx.store.invocations import MetricIds


class Groups:
    """What holds invocations of a run together; every method is one transaction.

    Args:
        write: Returns a new writing transaction.
        metrics: Names to row numbers.
        run_key: Returns the row of a run.
    """

    def __init__(
        self,
        write: Callable[[], AbstractContextManager[Connection]],
        metrics: MetricIds,
        run_key: Callable[[str], int],
    ) -> None:
        self._write = write
        self._metrics = metrics
        self._run_key = run_key

    def add_client(self, run_id: str, client: Client) -> int:
        """Store a machine that sends, and return its row."""
        key = self._run_key(run_id)
        row = {
            "run_id": key, "host": clean(client.host), "facts": dict(client.facts),
            "offset_s": client.offset_s, "offset_error_s": client.offset_error_s,
        }  # fmt: skip
        with self._write() as connection:
            statement = insert(schema.client).values(row).returning(schema.client.c.id)
            return int(connection.execute(statement).scalar_one())

    def begin_execution(
        self, run_id: str, execution: Execution, *, deployment_id: int | None = None, cell_id: int | None = None
    ) -> int:
        """Store a group of invocations, and return the row that they name as `Invocation.execution`.

        It is numbered through its run. One that has not ended yet is ended by `finish_execution`.

        Raises:
            StoreError: If a figure's metric is not registered.
        """
        key = self._run_key(run_id)
        c = schema.execution.c
        with self._write() as connection:
            sequence = select(func.coalesce(func.max(c.sequence), 0) + 1).where(c.run_id == key)
            row = {
                "run_id": key, "deployment_id": deployment_id, "cell_id": cell_id, "kind": execution.kind,
                "sequence": connection.execute(sequence).scalar_one(), "purpose": execution.purpose.value,
                "round": execution.round, **self._outcome(connection, execution),
            }  # fmt: skip
            statement = insert(schema.execution).values(row).returning(c.id)
            return int(connection.execute(statement).scalar_one())

    def finish_execution(self, execution_id: int, execution: Execution) -> None:
        """Store how a group ended: begin, end, status, error and figures.

        Raises:
            StoreError: If a figure's metric is not registered.
        """
        with self._write() as connection:
            values = self._outcome(connection, execution)
            connection.execute(update(schema.execution).where(schema.execution.c.id == execution_id).values(values))

    def begin_phase(self, run_id: str, cell_id: int, deployment_id: int | None, batch: int, begin_s: float) -> int:
        """Store that a phase of load begins in a cell, and return its row.

        Phases of the cell that never ended are broken off: their invocations stay, and count nowhere any more.
        """
        key = self._run_key(run_id)
        c, i = schema.phase.c, schema.invocation.c
        with self._write() as connection:
            cut = select(c.batch).where(c.cell_id == cell_id, c.status == PhaseStatus.RUNNING.value)
            batches = list(connection.execute(cut).scalars())
            if batches:
                connection.execute(
                    update(schema.invocation)
                    .where(i.cell_id == cell_id, i.batch.in_(batches), i.kind == Kind.MEASURED.value)
                    .values(kind=Kind.BROKEN_OFF.value)
                )
                connection.execute(
                    update(schema.phase)
                    .where(c.cell_id == cell_id, c.status == PhaseStatus.RUNNING.value)
                    .values(status=PhaseStatus.BROKEN_OFF.value)
                )
            attempt = connection.execute(select(func.count() + 1).where(c.cell_id == cell_id)).scalar_one()
            row = {
                "run_id": key, "cell_id": cell_id, "deployment_id": deployment_id, "batch": batch, "attempt": attempt,
                "status": PhaseStatus.RUNNING.value, "begin_s": begin_s,
            }  # fmt: skip
            return int(connection.execute(insert(schema.phase).values(row).returning(c.id)).scalar_one())

    def finish_phase(self, phase_id: int, end_s: float) -> None:
        """Store that a phase of load ended as it should."""
        with self._write() as connection:
            connection.execute(
                update(schema.phase)
                .where(schema.phase.c.id == phase_id)
                .values(status=PhaseStatus.FINISHED.value, end_s=end_s)
            )

    def _outcome(self, connection: Connection, execution: Execution) -> Mapping[str, Any]:
        figures = {}
        for name, value in execution.figures.items():
            if is_number(name, value):
                self._metrics.get(connection, name)
                figures[name] = float(value)
        return {
            "begin_s": execution.begin_s, "end_s": execution.end_s,
            "status": Status(execution.status).value, "error": clean(execution.error),
            "figures": figures,
        }  # fmt: skip


def break_off_executions(connection: Connection, run_key: int) -> None:
    """Mark the executions that a killed process left open in unfinished cells, and what was sent in them.

    All of it stays and counts nowhere any more, as that of a phase of load that was cut short.
    """
    c, i, cell = schema.execution.c, schema.invocation.c, schema.cell.c
    unfinished = select(cell.id).where(cell.run_id == run_key, cell.status == CellStatus.RUNNING.value)
    cut = (c.run_id == run_key) & c.end_s.is_(None) & c.cell_id.in_(unfinished)
    connection.execute(
        update(schema.invocation)
        .where(i.execution_id.in_(select(c.id).where(cut)), i.kind == Kind.MEASURED.value)
        .values(kind=Kind.BROKEN_OFF.value)
    )
    connection.execute(update(schema.execution).where(cut).values(purpose=Kind.BROKEN_OFF.value))


def frame_of(executions: Sequence[StoredExecution]) -> Frame:
    """Return executions as arrays; see `RunView.execution_frame`."""
    import numpy as np  # heavy

    figures = sorted({name for each in executions for name in each.figures})
    numbers = {
        **{
            name: [getattr(each, name) for each in executions]
            for name in ("sequence", "round", "deployment_id", "cell_id", "begin_s", "end_s")
        },
        "execution.duration_s": [each.duration_s for each in executions],
        **{name: [each.figures.get(name) for each in executions] for name in figures},
    }
    words = {
        "kind": [each.purpose.value for each in executions],
        "execution": [each.kind for each in executions],
        "status": [each.status.value for each in executions],
    }
    return Frame(
        {name: np.array(column, dtype=np.float64) for name, column in numbers.items()},
        {name: coded(column) for name, column in words.items()},
    )
