"""Who a sandbox belongs to: a process, named so that a later one with the same number is not mistaken for it."""

from __future__ import annotations

import os
from pathlib import Path


def owner_of(pid: int) -> str | None:
    """Return `pid:start:namespace`, or None if there is no such process.

    The start is in ticks since boot, the namespace that in which the number counts; both are 0 where there is
    no `/proc`, and the number alone must do.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return f"{pid}:0:0"
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return f"{pid}:{int(fields[19])}:{_namespace()}"


def is_alive(owner: str) -> bool:
    """Return whether the process that `owner` names still runs; one of another namespace counts as running."""
    pid, _, rest = owner.partition(":")
    _, _, namespace = rest.partition(":")
    if not pid.isdigit() or namespace != str(_namespace()):
        return True  # not ours to judge
    return owner_of(int(pid)) == owner


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
