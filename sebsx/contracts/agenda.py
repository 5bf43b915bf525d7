"""Calls of several functions, each due at a time of its own, put on a list that grows while it is worked off."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import OVER, Arrivals, Schedule
from sebsx.model.clock import client_clock

if TYPE_CHECKING:
    from sebsx.contracts.calls import Calls


class Agenda(Schedule):
    """Calls by due time. As a schedule it is over when nothing is due and everything sent was answered."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, float, int, Calls]] = []  # when, order, their start, the next of them, they
        self._order = count()
        self._started_s = 0.0

    def __len__(self) -> int:
        return len(self._due)

    @property
    def total(self) -> None:
        """Nobody knows how many there will be."""
        return

    @property
    def next_s(self) -> float:
        """When the next call is due; `OVER` if there is none."""
        return self._due[0][0] if self._due else OVER

    @property
    def first(self) -> Calls:
        """The calls that the next one belongs to."""
        return self._due[0][4]

    def add(self, calls: Calls, due_s: float) -> None:
        """Put calls on the list.

        Args:
            calls: Their schedule is an open one of known times (`Arrivals`), at least one.
            due_s: When it begins, as `client_clock` tells the time; what is past is due at once.

        Raises:
            TypeError: If their schedule waits for answers.
        """
        times_s = calls.schedule.times_s if isinstance(calls.schedule, Arrivals) else ()
        if not times_s:
            raise TypeError("an agenda holds calls at known times: give them a schedule of Arrivals")
        # One that is being sent stays the first: what is added is not due before now.
        start_s = max(due_s, client_clock().now())
        heapq.heappush(self._due, (start_s + times_s[0], next(self._order), start_s, 0, calls))

    def take(self) -> tuple[Calls, int]:
        """Return the calls that the next one belongs to, and its number among them."""
        _, order, start_s, number, calls = self._due[0]
        assert isinstance(calls.schedule, Arrivals)
        times_s = calls.schedule.times_s
        if number + 1 < len(times_s):
            heapq.heapreplace(self._due, (start_s + times_s[number + 1], order, start_s, number + 1, calls))
        else:
            heapq.heappop(self._due)
        return calls, number

    def drop(self, calls: Calls) -> None:
        """Take off what is left of some calls."""
        self._due = [entry for entry in self._due if entry[4] is not calls]
        heapq.heapify(self._due)

    def begin(self) -> Agenda:
        """Return itself: what is left goes on in the next drive."""
        self._started_s = client_clock().now()
        return self

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return when the next call is due; while answers are awaited one to come is waited for as well."""
        due_s = self.next_s - self._started_s
        if due_s <= elapsed_s:
            return due_s
        if sent == done:
            return OVER
        return None if due_s == OVER else due_s
