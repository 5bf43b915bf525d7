"""Names that threads looked up, handed to the thread of the transport, which sleeps on its selector."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.sending.route import Origin


class LookedUpNames:
    """What came of look-ups: told from any thread, and taken from one."""

    def __init__(self) -> None:
        self._told: deque[tuple[Origin, str | None, str | None]] = deque()
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)

    def fileno(self) -> int:
        """Return what can be read from while something was told and not taken."""
        return self._receiver.fileno()

    def close(self) -> None:
        """Let go of both ends; what threads tell later is heard by nobody."""
        self._receiver.close()
        self._sender.close()

    def tell(self, origin: Origin, error: str | None, limit: str | None) -> None:
        """Say that the name of a server was looked up, what went wrong, and the limit of this machine behind that."""
        self._told.append((origin, error, limit))
        with contextlib.suppress(OSError):
            self._sender.send(b"\0")

    def take(self) -> Iterator[tuple[Origin, str | None, str | None]]:
        """Yield what was told."""
        self._receiver.recv(64)
        while self._told:
            yield self._told.popleft()
