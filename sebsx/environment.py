"""Facts about the client machine, stored with every run so that it can be judged and repeated."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sebsx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.plugins import Registry

_GIT_TIMEOUT_S = 5


def gather(registry: Registry) -> Mapping[str, Any]:
    """Return what is known of this machine, the versions in use and the state of the working tree.

    A fact that cannot be had is left out, never guessed.
    """
    facts = {
        "sebsx": sebsx.__version__,
        "plugins": {plugin.name: f"{plugin.distribution} {plugin.version}" for plugin in registry.plugins},
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "cpu_model": _cpu_model(),
        "memory_bytes": _memory_bytes(),
        "git": _git_state(),
        **registry.facts(),
    }
    return {name: value for name, value in facts.items() if value is not None}


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


def _git_state() -> dict[str, Any] | None:
    """Return commit and whether the tree of the current folder is dirty, or None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(status)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
