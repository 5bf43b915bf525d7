"""One monotonic clock for all times of the client, anchored once to wall time."""

from __future__ import annotations

import time
from functools import cache

STEP_S = 0.005
"""A smaller step of a wall clock changes nothing that is told by it."""
_READ_S = 0.001


class Clock:
    """Tells Unix seconds that never jump: wall time at construction plus monotonic time since.

    Differences of two readings are as good as `time.perf_counter()`; a float holds today's Unix time to
    about 0.24 us.

    Attributes:
        offset_s: What is added to `time.perf_counter()`.
    """

    def __init__(self) -> None:
        before = time.perf_counter()
        wall = time.time()
        self.offset_s = wall - (before + time.perf_counter()) / 2

    def now(self) -> float:
        """Return the Unix time in seconds."""
        return time.perf_counter() + self.offset_s


class ClockSteps:
    """Finds steps of the wall clock by a clock that nobody sets; NTP slews both alike, so that only steps differ."""

    def __init__(self) -> None:
        self._ahead_s = _wall_ahead_s()

    def since(self) -> float | None:
        """Return by how much the wall clock was set since the last time of asking; None if by less than 5 ms."""
        ahead_s, before_s = _wall_ahead_s(), self._ahead_s
        if ahead_s is None:
            return None
        self._ahead_s = ahead_s
        step_s = 0.0 if before_s is None else ahead_s - before_s
        return step_s if abs(step_s) > STEP_S else None


def _wall_ahead_s() -> float | None:
    """Return wall time minus a steady clock; None where this process lost the processor between the readings."""
    before_s = _steady_s()
    wall_s = time.time()
    return wall_s - before_s if _steady_s() - before_s < _READ_S else None


def _steady_s() -> float:
    """Return a time that goes on while the machine sleeps, where there is one."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):  # not Linux
        return time.monotonic()


@cache
def client_clock() -> Clock:
    """Return the clock of this process; anchored when first asked for."""
    return Clock()
