"""Processes that we start, and what they start: whose they are, how they are found again, and their end.

Two marks go down to every descendant. A variable of the environment names the owner; `env -i` and programs that
write their title over it lose it. So the soft limit of file locks is set to a number made of the owner: Linux has
not enforced that limit since 2.4.25 (setrlimit(2), RLIMIT_LOCKS), every user may set it, and neither fork, exec,
setsid nor another environment changes it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_PROC = Path("/proc")
_FILE_LOCKS = 10  # RLIMIT_LOCKS, for which Python has no name
_LINE = b"Max file locks"
_OURS = 1 << 62  # no limit that anybody sets, and less than the largest
_OWNER_BYTES, _PART_BITS = 5, 22
_ROUNDS = 200
_PAUSE_S = 0.005

_marking = threading.RLock()


def owner_of(pid: int) -> str | None:
    """Return `pid:start:namespace`, or None if there is no such process.

    A later process with the same number has another name. The start is in ticks since boot, the namespace that in
    which the number counts; both are 0 where there is no `/proc`, and the number alone must do.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return f"{pid}:0:0"
    started = _started(_PROC / str(pid))
    return None if started is None else f"{pid}:{started}:{_namespace()}"


def is_alive(owner: str) -> bool:
    """Return whether the process that `owner` names still runs; one of another namespace counts as running."""
    pid, _, rest = owner.partition(":")
    _, _, namespace = rest.partition(":")
    if not pid.isdigit() or namespace != str(_namespace()):
        return True  # not ours to judge
    return owner_of(int(pid)) == owner


@contextlib.contextmanager
def marking(owner: str, part: int = 0) -> Iterator[None]:
    """Mark every process that is started inside, and all that it starts, as one of `owner`.

    The mark is this process's own meanwhile: other threads wait. Without effect where there is no such limit.

    Args:
        owner: As of `owner_of`.
        part: Tells one group of processes of an owner from another, modulo 2^22.
    """
    import resource

    if sys.platform != "linux":
        yield
        return
    with _marking:
        before, most = resource.getrlimit(_FILE_LOCKS)
        try:
            resource.setrlimit(_FILE_LOCKS, (_mark(owner, part), most))
        except (OSError, ValueError):  # a hard limit below it
            yield
            return
        try:
            yield
        finally:
            resource.setrlimit(_FILE_LOCKS, (before, most))


def bearing(owner: str, part: int | None = None) -> set[int]:
    """Return the living processes that carry the mark of an owner, of one part or of all; never this one."""
    shift = _PART_BITS if part is None else 0
    wanted = _mark(owner, part or 0) >> shift
    return {pid for pid in _pids() if (limit := _limit(_PROC / str(pid))) is not None and limit >> shift == wanted}


def marked(variable: str) -> dict[int, str]:
    """Return the processes whose environment holds `variable`, and its value; empty where there is no /proc."""
    found = {}
    needle = variable.encode() + b"="
    for pid in _pids():
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:  # gone, or somebody else's
            continue
        for item in environment.split(b"\0"):
            if item.startswith(needle):
                found[pid] = item[len(needle) :].decode("utf-8", "replace")
                break
    return found


def end_all(find: Callable[[], Collection[int]]) -> bool:
    """Kill what `find` finds until it finds nothing; return whether that was reached.

    Repeated, because a process may have started another between the look and the blow. Waits for the killed to be
    gone, some seconds at most. A number that is another's by the time of the blow is spared: each process is held by
    a descriptor, then looked for again, and only then killed.
    """
    for _ in range(_ROUNDS):
        pids = set(find()) - {os.getpid()}
        if not pids:
            return True
        with contextlib.ExitStack() as held:
            blows = {pid: blow for pid in pids if (blow := _blow(pid, held)) is not None}
            for pid in blows.keys() & set(find()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    blows[pid]()
        time.sleep(_PAUSE_S)
    return False


def _blow(pid: int, held: contextlib.ExitStack) -> Callable[[], None] | None:
    """Return what kills the process that has this number now; None if there is none."""
    if not hasattr(os, "pidfd_open"):
        return lambda: os.kill(pid, signal.SIGKILL)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except OSError:  # a kernel before 5.3, or a sandbox that knows no such call
        return lambda: os.kill(pid, signal.SIGKILL)
    held.callback(os.close, descriptor)
    return lambda: signal.pidfd_send_signal(descriptor, signal.SIGKILL)


def _mark(owner: str, part: int) -> int:
    digest = int.from_bytes(blake2b(owner.encode(), digest_size=_OWNER_BYTES).digest(), "big")
    return _OURS | digest << _PART_BITS | part % (1 << _PART_BITS)


def _limit(process: Path) -> int | None:
    """Return the soft limit of file locks of a process that is not a zombie; None where it has none."""
    try:
        _, _, line = (process / "limits").read_bytes().partition(_LINE)
    except OSError:
        return None
    words = line.split(maxsplit=1)
    if not words or not words[0].isdigit() or _started(process) is None:
        return None
    return int(words[0])


def _pids() -> Iterator[int]:
    own = os.getpid()
    for folder in _PROC.iterdir() if _PROC.is_dir() else ():
        if folder.name.isdigit() and int(folder.name) != own:
            yield int(folder.name)


def _started(process: Path) -> int | None:
    """Return when a process started, in ticks since boot; None if it is gone or only waits to be buried.

    Source: proc(5), /proc/PID/stat: field 22 is starttime, field 3 the state; field 2 may hold spaces.
    """
    try:
        fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
