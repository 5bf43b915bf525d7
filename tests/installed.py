"""Distributions that tests run beside themselves, each in a folder of its own, installed once for this machine.

What pins other versions than sebsx is tested with (an emulator its SDK, a worker its protocol) has no place in the
environment of the tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path


def installed(name: str, *words: str) -> Path:
    """Return a folder, for PYTHONPATH, with what the words for `uv pip install` name."""
    key = hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
    folder = user_cache_path("sebsx-tests") / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(partial)]
            subprocess.run([*command, *words], check=True)
            partial.rename(folder)
    return folder
