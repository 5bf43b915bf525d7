"""Stores what an experiment says beside its invocations: values, files, and what groups of invocations did."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sebsx.contracts.groups import Group
from sebsx.errors import UserError
from sebsx.model import Execution, Kind, Status
from sebsx.model.clock import client_clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sebsx.contracts.functions import Function
    from sebsx.model import Artifact, Invocation, Run
    from sebsx.running.session.storing import Recorder
    from sebsx.store import Store


class Keeper:
    """Stores values, files and groups of one run.

    Args:
        run: The run as stored.
        store: Where everything goes.
        recorder: Stores the invocations that belong to groups.
    """

    def __init__(self, run: Run, store: Store, recorder: Recorder) -> None:
        self._run = run
        self._store = store
        self._recorder = recorder

    def record(
        self,
        metric: str,
        value: float | str,
        *,
        cell_id: int | None = None,
        function: Function | None = None,
        invocation: Invocation | None = None,
    ) -> None:
        """Store a number or words; a number of an invocation becomes a sample of it."""
        row = function.id if function else None
        sequence = invocation.sequence if invocation else None
        if isinstance(value, str):
            self._store.add_value(
                self._run.id, metric, None, cell_id=cell_id, deployment_id=row, text=value, sequence=sequence
            )
        elif sequence is not None:
            self._store.add_sample(self._run.id, sequence, metric, value)
        else:
            self._store.add_value(self._run.id, metric, value, cell_id=cell_id, deployment_id=row)

    def keep(
        self,
        path: Path,
        *,
        role: str,
        name: str = "",
        cell_id: int | None = None,
        function: Function | None = None,
        invocation: Invocation | None = None,
    ) -> Artifact:
        """Keep a file with the run."""
        return self._store.artifacts.add(
            self._run.id,
            path,
            role=role,
            name=name,
            cell_id=cell_id,
            deployment_id=function.id if function else None,
            sequence=invocation.sequence if invocation else None,
        )

    @contextmanager
    def execution(
        self, kind: str, *, cell_id: int, function: Function | None, purpose: Kind, number: int | None
    ) -> Iterator[Group]:
        """Open a group; one whose body raises is stored as not ended."""
        if self._recorder.group is not None:
            raise UserError("a group of invocations is open; end it before another begins")
        begun = Execution(
            kind=kind, begin_s=client_clock().now(), purpose=purpose, round=number, status=Status.PLATFORM_ERROR,
            error="it did not end",
        )  # fmt: skip
        row = self._store.groups.begin_execution(
            self._run.id, begun, cell_id=cell_id, deployment_id=function.id if function else None
        )
        group = self._recorder.group = Group(row)
        try:
            yield group
        finally:
            self._recorder.group = None
        self._store.groups.finish_execution(row, group.ended(begun))
