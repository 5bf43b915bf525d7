"""Who a sandbox belongs to: a process, named so that a later one with the same number is not mistaken for it."""

from __future__ import annotations

import os
from pathlib import Path


def owner_of(pid: int) -> str | None:
    """Return `pid:start time in ticks since boot`, or None if there is no such process.

    Where there is no `/proc` the start time is 0: the number alone must do.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return f"{pid}:0"
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return f"{pid}:{int(fields[19])}"


def is_alive(owner: str) -> bool:
    """Return whether the process that `owner` names still runs."""
    pid, _, _ = owner.partition(":")
    return pid.isdigit() and owner_of(int(pid)) == owner
