"""Packages of npm that tests need, installed once for this machine."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from platformdirs import user_cache_path

FIRESTORE = "@firestore-emulator/server@0.3.15"
FRAMEWORK = "@google-cloud/functions-framework@5.0.5"


def modules(*packages: str) -> Path:
    """Return a `node_modules` folder with packages of these versions."""
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:16]
    folder = user_cache_path("sebsx-tests") / f"npm-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            (partial / "package.json").write_text('{"name": "parts", "private": true}')
            flags = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--silent")
            subprocess.run(["npm", "install", *flags, *packages], cwd=partial, check=True)
            partial.rename(folder)
    return folder / "node_modules"
