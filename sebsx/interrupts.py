"""Ctrl-C and SIGTERM as `KeyboardInterrupt`, but only where raising it is safe.

Raised inside a callback from C it would be printed and lost; raised in the middle of a teardown it would
leave resources behind. Such stretches are shielded, and the interrupt is raised when they end.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Remembers an interrupt and raises it outside shielded stretches, once: what follows is clean-up."""

    def __init__(self) -> None:
        self.pending = False
        self._raised = False
        self._shields = 0

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM inside; a no-op outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.pending = self._raised = False

    @contextmanager
    def shielded(self, *, swallow: bool = False) -> Iterator[None]:
        """Hold an interrupt back until the end of the stretch.

        Args:
            swallow: For clean-up after an interrupt or at the end: further ones are dropped.
        """
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if swallow:
                self.pending = False
        self.check()

    def check(self) -> None:
        """Raise an interrupt that was held back, unless still shielded."""
        if self.pending and not self._shields and not self._raised:
            self.pending, self._raised = False, True
            raise KeyboardInterrupt

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.pending = True
        self.check()


interrupts = Interrupts()
