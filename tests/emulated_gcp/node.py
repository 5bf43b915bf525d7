"""Packages of npm that tests need, installed once for this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.installed import filled

FIRESTORE = "@firestore-emulator/server@0.3.15"
FRAMEWORK = "@google-cloud/functions-framework@5.0.5"


def modules(*packages: str) -> Path:
    """Return a `node_modules` folder with packages of these versions."""

    def fill(folder: Path) -> None:
        (folder / "package.json").write_text('{"name": "parts", "private": true}')
        flags = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--silent")
        subprocess.run(["npm", "install", *flags, *packages], cwd=folder, check=True)

    return filled("npm", packages, fill) / "node_modules"
