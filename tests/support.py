"""What several tests use by import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass
class Cli:
    """Runs `sebsx` as a user would: in a process, with a home, cache and store that belong to the test."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.home / "results.sqlite"

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sebsx", *arguments],
            cwd=self.home,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def __call__(self, *arguments: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert "Traceback (most recent call last)" not in stderr, stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def json(self, *arguments: str) -> Any:
        """Run with `--json` and return the document; the exit code must be 0."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@cache
def interpreters() -> list[str]:
    """Return an interpreter of every version that the shim supports and this machine has."""
    found = [sys.executable]
    for name in (f"python3.{minor}" for minor in range(9, 15)):
        here = [shutil.which(name), *map(str, (Path.home() / ".pyenv" / "versions").glob(f"3*/bin/{name}"))]
        # A shim of pyenv is there for versions that it then cannot start.
        runs = (path for path in here if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0)
        found.extend(list(runs)[:1])
    return found
