"""Empties the write-ahead log of a SQLite file beside whoever writes to it, who does not wait for the disk then.

SQLite does it itself every 1,000 pages, in the commit that filled them: writing back and syncing takes 20 ms and more,
and a sender that stores between its requests is late by as much. A log can only begin again at its start when no
transaction began before all of it was written back, so a writer that can wait does: see `settling`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EVERY_S = 1.0
MOST_PAGES = 16_384  # 64 MiB: from here on the writer waits after all
_TIMEOUT_S = 5.0


class Checkpointer:
    """A thread that writes the log back when it is told of commits.

    Args:
        path: The database.

    Attributes:
        settling: Whether it is at work; what begins meanwhile makes the log longer.
    """

    def __init__(self, path: Path) -> None:
        self.settling = False
        self._path = path
        self._due_s = time.monotonic() + EVERY_S
        self._pages = 0
        self._wake = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    def committed(self) -> None:
        """Hear of a commit, after which no transaction is open; returns at once unless the log is far too long."""
        if not self.settling and time.monotonic() > self._due_s:
            self._start()
        if self.settling and self._pages > MOST_PAGES:
            with self._wake:
                self._wake.wait_for(lambda: not self.settling, _TIMEOUT_S)

    def close(self) -> None:
        """End the thread, once what it does is done. Harmless twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with self._wake:
                self._ending = True
                self._wake.notify()
            thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sebsx-checkpoints", daemon=True)
            self._thread.start()
        with self._wake:
            self.settling = True
            self._wake.notify()

    def _work(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=_TIMEOUT_S, isolation_level=None)) as connection:
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self.settling or self._ending)
                    if not self.settling:
                        return
                self._pages = _pages_left(connection)
                with self._wake:
                    self._due_s = time.monotonic() + EVERY_S
                    self.settling = False
                    self._wake.notify()


def _pages_left(connection: sqlite3.Connection) -> int:
    """Write back what can be, and return how many pages the log has; they are used again once all were written."""
    try:
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error:  # the next commit fails of the same, in the hands of who can say so
        return 0
    return int(pages)
