"""One cell being measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from sebsx.contracts.calls import Calls
from sebsx.model import Kind, Status
from sebsx.model.starts import counts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.calls import Health
    from sebsx.contracts.functions import Function
    from sebsx.contracts.schedules import Schedule
    from sebsx.contracts.session import Session
    from sebsx.model import Cell, Invocation, StartType


# After so many failures of one kind, and nothing else, a function fails whenever it is called.
SAME_FAILURES = 3
_OWN_DOING = frozenset({Status.FUNCTION_ERROR, Status.OUT_OF_MEMORY, Status.TIMEOUT, Status.WRONG_OUTPUT})


@dataclass(slots=True, kw_only=True)
class OpenCell:
    """A cell that was begun, and has no result yet.

    Args:
        cell: The cell.
        cell_id: Its row.
    """

    cell: Cell
    cell_id: int


@dataclass(slots=True, kw_only=True)
class Measurement(OpenCell):
    """A cell that one function serves: sends, stores, and counts what was good, failed or of the wrong start type.

    `good` holds the latencies in seconds of the samples that count, those of an interrupted run included, and
    `sandboxes` who served each; None where unknown.
    """

    session: Session
    function: Function
    wanted: StartType | None = None
    good: list[float] = field(default_factory=list)
    sandboxes: list[str | None] = field(default_factory=list)
    attempts: int = 0
    failures: int = 0
    first_error: str = ""
    alike: int = 0
    started_s: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Time since the cell was begun in this process."""
        return time.monotonic() - self.started_s

    @property
    def units(self) -> list[float]:
        """The median latency of each sandbox: what the precision of a cell is judged by."""
        served: dict[str | None, list[float]] = {}
        for latency_s, sandbox in zip(self.good, self.sandboxes, strict=True):
            served.setdefault(sandbox, []).append(latency_s)
        return [median(values) for values in served.values()]

    def took(self, latency_s: float, sandbox: str | None) -> None:
        """Count a sample."""
        self.good.append(latency_s)
        self.sandboxes.append(sandbox)

    @property
    def hopeless(self) -> bool:
        """Whether no call ended well and the first ones all failed in the same way, by the function's own doing."""
        return self.attempts == self.failures == self.alike >= SAME_FAILURES

    def force_cold(self) -> None:
        """Make sure that the next invocation meets no existing sandbox."""
        self.function.platform.force_cold(self.function.deployment)

    def invoke(
        self,
        schedule: Schedule,
        kind: Kind = Kind.MEASURED,
        round: int | None = None,  # noqa: A002  # the column
        events: Sequence[Mapping[str, Any]] = (),
        read: Callable[[Any], Mapping[str, float]] | None = None,
    ) -> list[Invocation]:
        """Send one batch, of one round of an interleaved design, and commit it; return the invocations as stored.

        `events` and `read` are those of `Calls`.
        """
        calls = self._calls(schedule, kind=kind, round=round, events=events, read=read)
        invocations = self.session.send(calls).invocations
        if kind is Kind.MEASURED:
            self.heard(invocations)
        return invocations

    def heard(self, invocations: Sequence[Invocation]) -> None:
        """Count measured invocations of the cell: what `invoke` does by itself, for those that an agenda sent."""
        self._count(invocations)
        for item in invocations:
            if self.counts(item.status, item.start_type):
                self.took(item.latency_s, item.sandbox_id)
        self.session.observer.progressed(self.cell, len(self.good), self.failures)

    def load(
        self,
        schedule: Schedule,
        max_in_flight: int | None = None,
        round: int | None = None,  # noqa: A002  # the column
        events: Sequence[Mapping[str, Any]] = (),
        read: Callable[[Any], Mapping[str, float]] | None = None,
    ) -> Health:
        """Send a phase of load, stored as it goes on, and return how the generator did; see `Session.send`.

        Attempts and failures are counted; latencies are not kept, so that memory does not grow with it.
        """
        calls = self._calls(schedule, max_in_flight=max_in_flight, round=round, events=events, read=read)

        def stored(invocations: Sequence[Invocation]) -> None:
            self._count(invocations)
            self.session.observer.progressed(self.cell, self.attempts - self.failures, self.failures)

        health = self.session.send(calls, streamed=True, on_stored=stored).health
        assert health is not None
        return health

    def _calls(self, schedule: Schedule, **others: Any) -> Calls:
        return Calls(function=self.function, schedule=schedule, cell_id=self.cell_id, **others)

    def counts(self, status: Status, start_type: StartType) -> bool:
        """Tell whether an invocation that ended and started so is a sample."""
        return status is Status.OK and counts(start_type, self.wanted)

    def _count(self, invocations: Sequence[Invocation]) -> None:
        self.attempts += len(invocations)
        for invocation in invocations:
            if invocation.status is not Status.OK:
                self.failures += 1
                reason = (invocation.error or "no reason given").partition("\n")[0]
                error = f"{invocation.status}: {reason[:200]}"
                self.first_error = self.first_error or error
                self.alike += error == self.first_error and invocation.status in _OWN_DOING
