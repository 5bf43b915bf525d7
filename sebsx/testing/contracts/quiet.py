"""Watch whether code that must be quiet touches files, sockets or processes."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS = frozenset(
    {"open", "socket.connect", "subprocess.Popen", "os.mkdir", "os.listdir", "os.scandir", "os.remove", "os.rename"}
)
_watchers: list[list[str]] = []
_installed: list[bool] = []


@contextlib.contextmanager
def recorded_io() -> Iterator[list[str]]:
    """Return a list that fills with the audit events of files, sockets and processes inside the block."""
    if not _installed:
        sys.addaudithook(_hook)  # cannot be removed: it looks only while somebody watches
        _installed.append(True)
    events: list[str] = []
    _watchers.append(events)
    try:
        yield events
    finally:
        _watchers.remove(events)


def _hook(event: str, _arguments: tuple[object, ...]) -> None:
    if _watchers and event in _EVENTS:
        for watcher in _watchers:
            watcher.append(event)
