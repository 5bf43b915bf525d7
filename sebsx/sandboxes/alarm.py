"""A timer that is set for each call and hardly ever goes off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Alarm:
    """Calls back at a time, unless it is set again or stopped before.

    A timer of the event loop is made and cancelled at each call where this is set; here one stays, and looks when it
    goes off whether the time has moved.

    Args:
        ring: What is called.
    """

    __slots__ = ("_due_s", "_loop", "_ring", "_timer")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._due_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, after_s: float) -> None:
        """Go off in so many seconds, and not at the time set before."""
        self._due_s = due_s = self._loop.time() + after_s
        if self._timer is None or self._timer.when() > due_s:
            self._wait(due_s)

    def stop(self) -> None:
        """Do not go off."""
        self._due_s = None

    def end(self) -> None:
        """Leave nothing behind in the event loop. Harmless twice."""
        self.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due_s is None:
            return
        if self._due_s > self._loop.time():
            self._wait(self._due_s)
        else:
            self._due_s = None
            self._ring()
