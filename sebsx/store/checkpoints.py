"""Empties the write-ahead log of a SQLite file beside whoever writes to it, who does not wait for the disk then.

SQLite does it itself every 1,000 pages, in the commit that filled them: writing back and syncing takes 20 ms and more,
and a sender that stores between its requests is late by as much. A log can only begin again at its start when no
transaction began before all of it was written back, so a writer that can wait does: see `settling`.

A process does it, not a thread: on a busy machine an ordinary thread waits for a processor with the interpreter's lock
in its hands, and so does a sender with it that goes before all others.
"""

from __future__ import annotations

import os
import select
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

EVERY_S = 1.0
MOST_PAGES = 16_384  # 64 MiB: from here on the writer waits after all
_TIMEOUT_S = 5.0
_WORD = 64


class Checkpointer:
    """A process that writes the log back when it is told of commits. Used from one thread.

    Args:
        path: The database, which the caller has open until `close`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due_s = time.monotonic() + EVERY_S
        self._pages = 0
        self._settling = False
        self._process: subprocess.Popen[bytes] | None = self._start()  # now: later a sender would wait for it

    @property
    def settling(self) -> bool:
        """Whether it is at work; what begins meanwhile makes the log longer."""
        if self._settling:
            self._listen(0.0)
        return self._settling

    def committed(self) -> None:
        """Hear of a commit, after which no transaction is open; returns at once unless the log is far too long."""
        if not self.settling and time.monotonic() > self._due_s:
            process = self._process = self._process or self._start()
            assert process.stdin is not None
            self._settling = True
            try:
                os.write(process.stdin.fileno(), b"\n")
            except BrokenPipeError:
                self._give_up()
        if self._settling and self._pages > MOST_PAGES:
            self._listen(_TIMEOUT_S)

    def close(self) -> None:
        """End the process, once what it does is done. Harmless twice."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()
        self._settling = False

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(self._path)],
            stdin=subprocess.PIPE,  # with whose end it ends, whatever ends us
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: what is measured is stored before the end
        )

    def _listen(self, patience_s: float) -> None:
        """Hear whether the log was written back, waiting so long for it."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], patience_s)[0]:
            return
        said = os.read(process.stdout.fileno(), _WORD)
        if said:
            self._pages, self._settling = int(said), False
            self._due_s = time.monotonic() + EVERY_S
        else:
            self._give_up()

    def _give_up(self) -> None:
        """Do without the process, which something ended; a commit starts another when that is due again."""
        self.close()
        self._due_s = time.monotonic() + EVERY_S


def _pages_left(connection: sqlite3.Connection) -> int:
    """Write back what can be, and return how many pages the log has; they are used again once all were written."""
    try:
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error:  # the next commit fails of the same, in the hands of who can say so
        return 0
    return int(pages)


def main() -> None:
    """Write the log back for each byte that is read, and say how many pages it has, until there is nothing to read."""
    path = Path(sys.argv[1])
    with closing(sqlite3.connect(path, timeout=_TIMEOUT_S, isolation_level=None)) as connection:
        while os.read(sys.stdin.fileno(), 1):
            os.write(sys.stdout.fileno(), b"%d\n" % _pages_left(connection))


if __name__ == "__main__":
    main()
