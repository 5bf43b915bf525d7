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
from collections.abc import Callable, Sequence
from pathlib import Path

from platformdirs import user_cache_path


def filled(name: str, words: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """Return a folder of this machine's cache, filled once whoever asks at the same time.

    Args:
        name: Of what kind it is.
        words: What is in it; other words are another folder.
        fill: Fills it; one that fails leaves nothing.
    """
    key = hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
    folder = user_cache_path("sebsx-tests") / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            fill(partial)
            partial.rename(folder)
    return folder


def installed(name: str, *words: str) -> Path:
    """Return a folder, for PYTHONPATH, with what the words for `uv pip install` name."""

    def fill(folder: Path) -> None:
        command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(folder)]
        subprocess.run([*command, *words], check=True)

    return filled(name, words, fill)
