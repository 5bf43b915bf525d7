"""Kernel samepage merging for the time of a block, with every knob put back as it was, whatever ends the block.

What puts them back is a process of its own that waits until its input is closed: the end of this process closes it,
whether it came by a return, an exception, a signal or `kill -9`.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.errors import PlatformError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KNOBS = Path("/sys/kernel/mm/ksm")
_REST_MS = 20
_POLL_S = 0.1
_SETTLED = 0.01  # growth from one full scan to the next
_TICK_S = 0.01  # of /proc/PID/stat (USER_HZ, which is 100 on every architecture we know)
# `run` first: what stops the merging must not wait for a knob that fails.
_CHANGED = ("run", "pages_to_scan", "sleep_millisecs", "smart_scan", "advisor_mode")
_GUARD = """\
import json, pathlib, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
folder, saved = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
failed = []
for name, value in saved.items():
    try:
        (folder / name).write_text(value)
    except OSError as exc:
        failed.append(f"{name}: {exc}")
sys.exit("; ".join(failed) or 0)
"""


def refusal(folder: Path = KNOBS) -> str:
    """Return why KSM cannot be used here; empty where it can."""
    try:
        running = (folder / "run").read_text().strip()
    except OSError:
        return f"this kernel has no {folder}"
    if running == "1":
        return f"KSM runs already ({folder}/run is 1): what is merged would not be ours alone"
    try:
        with (folder / "run").open("r+"):
            return ""
    except OSError as exc:
        return f"{folder}/run cannot be written: {exc.strerror}; run sebsx as root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """How merging went.

    Args:
        settled: Whether two full scans found the same.
        took_s: From the first look on.
        cpu_s: Processor time of the kernel's thread; None where it is not seen.
    """

    settled: bool
    took_s: float
    cpu_s: float | None


@contextmanager
def running(pages_to_scan: int, folder: Path = KNOBS) -> Iterator[None]:
    """Have the kernel merge inside the block; one block of this machine at a time.

    Raises:
        UnsupportedError: If it is not available here, runs already, or another run of sebsx uses it.
        PlatformError: If a knob could not be put back; it says which and to what.
    """
    if reason := refusal(folder):
        raise UnsupportedError(reason)
    with (folder / "run").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise UnsupportedError(f"another run of sebsx uses KSM ({folder})") from exc
        with _merging(pages_to_scan, folder, lock.fileno()):
            yield


@contextmanager
def _merging(pages_to_scan: int, folder: Path, lock: int) -> Iterator[None]:
    """Do so with a lock, which the guard holds as well: until it has put back what a killed run left."""
    if reason := refusal(folder):  # another run began and was killed meanwhile
        raise UnsupportedError(reason)
    saved = {name: _chosen((folder / name).read_text()) for name in _CHANGED if (folder / name).exists()}
    guard = subprocess.Popen(
        [sys.executable, "-I", "-c", _GUARD, str(folder), json.dumps(saved)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        pass_fds=(lock,),
    )  # fmt: skip
    assert guard.stdout is not None
    try:
        guard.stdout.readline()  # from here on it ignores signals
        _start(folder, saved, pages_to_scan)
        yield
    finally:
        _, said = guard.communicate()
        if guard.returncode:
            words = ", ".join(f"{name} {value}" for name, value in saved.items())
            raise PlatformError(f"KSM was not put back ({said.strip()}); write into {folder}: {words}")


def wait_until_settled(timeout_s: float, wait: Callable[[float], None], folder: Path = KNOBS) -> Merged:
    """Wait until full scans find nothing new, or the time is up.

    Args:
        timeout_s: Longest wait.
        wait: Waits so many seconds, and ends early by raising.
        folder: Of the knobs.
    """
    started_s, cpu_s = time.monotonic(), _kernel_cpu_s()
    # A page is merged by the second scan that finds it unchanged; the one under way may have passed it.
    next_look, before, settled = _number(folder, "full_scans") + 3, -1, False
    while not settled and time.monotonic() - started_s < timeout_s:
        wait(_POLL_S)
        if (scans := _number(folder, "full_scans")) < next_look:
            continue
        sharing = _number(folder, "pages_sharing")
        settled = before >= 0 and sharing - before <= _SETTLED * max(before, 1)
        next_look, before = scans + 1, sharing
    ended = _kernel_cpu_s()
    cpu = None if cpu_s is None or ended is None else ended - cpu_s
    return Merged(settled=settled, took_s=time.monotonic() - started_s, cpu_s=cpu)


def _start(folder: Path, saved: dict[str, str], pages_to_scan: int) -> None:
    wanted = {
        "advisor_mode": "none",  # it would choose the number of pages itself
        "smart_scan": "0",  # it passes over pages that did not merge before: the end would come later
        "sleep_millisecs": str(_REST_MS),
        "pages_to_scan": str(pages_to_scan),
        "run": "1",
    }
    for name, value in wanted.items():
        if name in saved:
            (folder / name).write_text(value)


def _chosen(text: str) -> str:
    """Return the value of a knob; of one that lists its words, the one in brackets."""
    words = text.split()
    return next((word[1:-1] for word in words if word.startswith("[")), words[0] if words else "")


def _number(folder: Path, name: str) -> int:
    return int((folder / name).read_text())


def _kernel_cpu_s() -> float | None:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if "(ksmd)" in text:
            fields = text.rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) * _TICK_S
    return None
