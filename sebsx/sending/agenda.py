"""Bursts of several functions, each due at a time of its own, put on a list that grows while it is worked off."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import OVER, Schedule
from sebsx.model import Kind
from sebsx.sending.clock import client_clock

if TYPE_CHECKING:
    from sebsx.contracts.functions import Function


@dataclass(frozen=True, slots=True, eq=False)
class Burst:
    """Simultaneous invocations of one function.

    Args:
        function: What is called.
        cell_id: The cell they belong to.
        calls: How many; at least 1.
        due_s: When, as `client_clock` tells the time; what is past is due at once.
        kind: Whether they count.
        round: Round of the design; None where it has none.
    """

    function: Function
    cell_id: int
    calls: int
    due_s: float
    kind: Kind = Kind.MEASURED
    round: int | None = None


class Agenda(Schedule):
    """Bursts by due time. As a schedule it is over when nothing is due and everything sent was answered."""

    def __init__(self) -> None:
        self._bursts: list[tuple[float, int, Burst]] = []
        self._number = count()
        self._taken = 0  # calls of the first burst that were sent
        self._started_s = 0.0

    def __len__(self) -> int:
        return len(self._bursts)

    @property
    def total(self) -> None:
        """Nobody knows how many there will be."""
        return

    @property
    def next_s(self) -> float:
        """When the next burst is due; `OVER` if there is none."""
        return self._bursts[0][0] if self._bursts else OVER

    @property
    def first(self) -> Burst:
        """The burst that the next call belongs to."""
        return self._bursts[0][2]

    def add(self, burst: Burst) -> None:
        """Put a burst on the list."""
        # One that is being sent stays the first: what is added is not due before now.
        due_s = max(burst.due_s, client_clock().now())
        heapq.heappush(self._bursts, (due_s, next(self._number), burst))

    def take(self) -> Burst:
        """Return the burst that the next call belongs to."""
        burst = self.first
        self._taken += 1
        if self._taken == burst.calls:
            heapq.heappop(self._bursts)
            self._taken = 0
        return burst

    def begin(self) -> Agenda:
        """Return itself: what is left goes on in the next drive."""
        self._started_s = client_clock().now()
        return self

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return when the next burst is due; while answers are awaited one to come is waited for as well."""
        due_s = self.next_s - self._started_s
        if due_s <= elapsed_s:
            return due_s
        if sent == done:
            return OVER
        return None if due_s == OVER else due_s
