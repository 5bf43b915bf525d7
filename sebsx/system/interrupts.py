"""Ctrl-C, SIGTERM and a closed terminal as `KeyboardInterrupt`, but only where raising it is safe.

Raised inside a callback from C it would be printed and lost; raised in the middle of a teardown it would
leave resources behind. Such stretches are shielded, and the interrupt is raised when they end.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_OUTPUTS = (1, 2)


class Interrupts:
    """Remembers an interrupt and raises it outside shielded stretches, once: what follows is clean-up."""

    def __init__(self) -> None:
        self.pending = False
        self._raised = False
        self._shields = 0

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals inside; a no-op outside the main thread. What is ignored (`nohup`) stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.pending = self._raised = False

    @contextmanager
    def shielded(self, *, swallow: bool = False) -> Iterator[None]:
        """Hold an interrupt back until the end of the stretch; a no-op outside the main thread, which alone hears any.

        Args:
            swallow: For clean-up after an interrupt or at the end: further ones are dropped.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
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

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            _let_go_of_the_terminal()
        self.pending = True
        self.check()


def _let_go_of_the_terminal() -> None:
    """Send to nowhere what would be written to a terminal that is gone: each write would fail in the teardown."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in _OUTPUTS:
        if stat.S_ISCHR(os.fstat(output).st_mode):
            os.dup2(nowhere, output)
    os.close(nowhere)


interrupts = Interrupts()
