"""Who writes a run: the process, so that a run whose process is gone is recognised.

A process id alone is reused, and means another process in another PID namespace (a container); with the boot of the
machine, the namespace and the start of the process it is unique.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# A run that cannot be asked, on another host or in another PID namespace, counts as dead when it was silent for longer.
HEARTBEAT_LIMIT = timedelta(minutes=15)

_PROC = "/proc"
_HIGHEST_PID = 2**31 - 1


def current_owner() -> dict[str, Any]:
    """Return this process as an owner: host, boot, namespace, process id and start; empty where the system hides it."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(), "boot_id": _boot_id(), "pid_namespace": _namespace(), "pid": pid,
        "process_started": _started(pid),
    }  # fmt: skip


def can_be_asked(owner: Mapping[str, Any]) -> bool:
    """Tell whether the number of an owner's process means the same here: on this host, and in this namespace."""
    if owner.get("host") != socket.gethostname():
        return False
    # Written before namespaces were: taken to be ours.
    return owner.get("boot_id") != _boot_id() or owner.get("pid_namespace", _namespace()) == _namespace()


def is_alive(owner: Mapping[str, Any], heartbeat_at: datetime | None = None) -> bool:
    """Tell whether the process that owns a run may still be running.

    Args:
        owner: As `current_owner` gave it; an empty one is dead.
        heartbeat_at: When the run last stored something, aware; decides for owners that cannot be asked.

    Raises:
        ValueError: If it names a process that there cannot be.
    """
    pid = owner.get("pid")
    if not pid:
        return False
    if type(pid) is not int or not 0 < pid <= _HIGHEST_PID:
        raise ValueError(f"{pid!r} is not the number of a process")
    if not can_be_asked(owner):
        return heartbeat_at is not None and datetime.now(UTC) - heartbeat_at < HEARTBEAT_LIMIT
    if owner.get("boot_id") != _boot_id():
        return False
    return _exists(pid) and owner.get("process_started", "") == _started(pid)


def process_name(owner: Mapping[str, Any]) -> str:
    """Return the process of an owner as `sebsx.system.processes.owner_of` names it on the same boot.

    Raises:
        KeyError: If the owner does not say it.
    """
    namespace = "".join(filter(str.isdigit, owner["pid_namespace"])) or "0"
    return f"{owner['pid']}:{owner['process_started'] or 0}:{namespace}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it exists and belongs to somebody else
    return True


def _boot_id() -> str:
    return _of_boot(f"{_PROC}/sys/kernel/random/boot_id")


@cache
def _of_boot(path: str) -> str:
    """Return what the kernel says until the next boot; empty where the system hides it."""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    """Return the PID namespace of this process (`pid:[4026531836]`); empty where the system hides it."""
    try:
        return str(Path(_PROC, "self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the start of a process in clock ticks since boot, empty without /proc or for a zombie.

    Source: proc(5), /proc/PID/stat: field 22 is starttime, field 3 the state; field 2 may hold spaces.
    """
    try:
        fields = Path(_PROC, str(pid), "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]
