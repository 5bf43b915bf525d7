"""Finds and ends processes that carry our marker in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OWNER = "SEBSX_SANDBOX_OWNER"
RUN = "SEBSX_SANDBOX_RUN"
ID = "SEBSX_SANDBOX_ID"
_ROUNDS = 200
_PAUSE_S = 0.005


def marked(variable: str, proc: Path = Path("/proc")) -> dict[int, str]:
    """Return the processes whose environment holds `variable`, and its value; empty where there is no /proc."""
    found = {}
    needle = variable.encode() + b"="
    for folder in proc.iterdir() if proc.is_dir() else ():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:  # gone, a zombie, or somebody else's
                continue
            for item in environment.split(b"\0"):
                if item.startswith(needle):
                    found[int(folder.name)] = item[len(needle) :].decode("utf-8", "replace")
                    break
    return found


def kill_all(find: Callable[[], Iterable[int]]) -> bool:
    """Kill what `find` finds until it finds nothing; return whether that was reached.

    Repeated, because a process may have started another between the look and the blow. Waits for the killed
    to be gone, one second at most.
    """
    for _ in range(_ROUNDS):
        pids = [pid for pid in find() if pid != os.getpid()]
        if not pids:
            return True
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return False
