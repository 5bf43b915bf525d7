"""Facts about the client machine, stored with every run so that it can be judged and repeated."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sebsx
from sebsx.system import priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.registered import Registered
    from sebsx.plugins import Registry

_GIT_TIMEOUT_S = 5
_LIBRARIES = ("numpy", "pycurl", "scipy", "sqlalchemy")
# Of `struct timex` in <sys/timex.h>: room for all of it on any Linux, and the bit STA_UNSYNC of its status.
_TIMEX_BYTES = 512
_UNSYNCHRONIZED = 0x40


def gather(registry: Registry) -> Mapping[str, Any]:
    """Return what is known of this machine, the versions in use and the state of the working tree.

    A fact that is not available is left out, never guessed.
    """
    facts = {
        "sebsx": sebsx.__version__,
        "plugins": {plugin.name: f"{plugin.distribution} {plugin.version}" for plugin in registry.plugins},
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        **machine(),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "clock_synchronized": clock_synchronized(),
        "loads_are_sent": priority.refusal() or "first (SCHED_FIFO)",
        "git": _git_state(Path.cwd()),
    }
    facts = {**registry.facts(), **facts}  # no plugin replaces what core knows
    return {name: value for name, value in facts.items() if value is not None}


def machine() -> dict[str, Any]:
    """Return what this machine is, as far as it can be known."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "cpu_model": _cpu_model(),
        "memory_bytes": _memory_bytes(),
    }


def _cpu_model() -> str | None:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def _memory_bytes() -> int | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def clock_synchronized() -> bool | None:
    """Tell whether something keeps this machine's wall clock in step (NTP); None where the system does not say.

    The kernel is asked, which knows whatever program keeps its clock: chrony, ntpd, timesyncd or a hypervisor.

    Source: adjtimex(2).
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        answer = (ctypes.c_long * (_TIMEX_BYTES // ctypes.sizeof(ctypes.c_long)))()
        state = libc.adjtimex(answer)  # modes, the first field, is 0: it only reads
    except (OSError, AttributeError):
        return None
    status = answer[5]  # after modes (padded to a long), offset, freq, maxerror and esterror
    return None if state < 0 else not status & _UNSYNCHRONIZED


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def source_of(benchmark: Benchmark, registry: Registered) -> Mapping[str, Any]:
    """Return where others find the code of a benchmark.

    Returns:
        `commit` and `dirty` of its folder, or `installed` where it came with a plugin, whose version is a fact of the
        environment; empty where nobody else can find it.
    """
    if state := _git_state(benchmark.root):
        return state
    return {"installed": True} if registry.brought(benchmark.root) else {}


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit of a folder and whether anything below it differs, or None where it is in no commit."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or not _git(folder, "ls-tree", "HEAD", "."):
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--", "."))}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
