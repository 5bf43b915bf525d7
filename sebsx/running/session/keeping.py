"""Stores what an experiment says beside its invocations: values, files, and what groups of invocations did."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.model import Execution, Kind, Status
from sebsx.model.clock import client_clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sebsx.contracts.functions import Function
    from sebsx.model import Artifact, Invocation, Run
    from sebsx.running.session.storing import Recorder
    from sebsx.store import Store


@dataclass(slots=True)
class Group:
    """A group of invocations under way: what is stored while it is open belongs to it.

    It began when its first invocation was sent, ended when its last was answered, and went as the first that failed
    did, unless `begin_s`, `end_s`, `status` or `error` are set to something else.

    Attributes:
        id: Row of the execution.
        figures: What was measured of the group as a whole, by registered metrics.
    """

    id: int
    begin_s: float | None = None
    end_s: float | None = None
    status: Status | None = None
    error: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    _invocations: list[Invocation] = field(default_factory=list)

    def add(self, invocations: Sequence[Invocation]) -> None:
        """Take invocations into the group, before they are stored."""
        for invocation in invocations:
            invocation.execution = self.id
        self._invocations += invocations

    def ended(self, begun: Execution) -> Execution:
        """Return the group as it is stored in the end."""
        sent = [each.client_sent_s for each in self._invocations]
        done = [each.client_done_s for each in self._invocations]
        failed = next((each for each in self._invocations if each.status is not Status.OK), None)
        return Execution(
            kind=begun.kind,
            purpose=begun.purpose,
            round=begun.round,
            begin_s=self.begin_s if self.begin_s is not None else min(sent, default=begun.begin_s),
            end_s=self.end_s if self.end_s is not None else max(done, default=client_clock().now()),
            status=self.status or (failed.status if failed else Status.OK),
            error=self.error or (failed.error if failed and self.status is None else None),
            figures=self.figures,
        )


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
