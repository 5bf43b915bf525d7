"""When requests are due. A schedule is pure: it is asked, and knows no clock and no client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Schedule(ABC):
    """Decides when each of `total` requests is due."""

    @property
    @abstractmethod
    def total(self) -> int:
        """How many requests there are."""

    @abstractmethod
    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return when request number `sent` (from 0) is due, in seconds since the start.

        Args:
            elapsed_s: Time since the start.
            sent: Requests sent so far; less than `total`.
            done: Requests answered so far.

        Returns:
            A time not after `elapsed_s` to send now, a later one to wait for, None to wait for an answer.
        """


@dataclass(frozen=True, slots=True)
class Closed(Schedule):
    """Closed loop: `users` requests in flight, each followed at once by the next."""

    invocations: int
    users: int = 1

    @property
    def total(self) -> int:
        """How many requests there are."""
        return self.invocations

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return now while a user is free."""
        return elapsed_s if sent - done < self.users else None


@dataclass(frozen=True, slots=True)
class Arrivals(Schedule):
    """Open loop: request i is due at `times_s[i]`, whether or not earlier ones were answered.

    A burst is `Arrivals([0.0] * n)`.
    """

    times_s: Sequence[float]

    @property
    def total(self) -> int:
        """How many requests there are."""
        return len(self.times_s)

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return the planned time."""
        return self.times_s[sent]
