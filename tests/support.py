"""What several tests use by import."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Said:
    """What a command of sebsx said, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line that says what is wrong, without `error: `."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.stderr
        assert "Traceback (most recent call last)" not in self.stderr
        return lines[0].removeprefix("error: ")

    def assert_fails(self, code: int, *words: str) -> None:
        """Hold that it failed with this exit code and said these words in its one line."""
        assert self.code == code, self.stderr or self.stdout
        missing = [word for word in words if word not in self.error]
        assert not missing, self.error


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

    def say(self, *arguments: str, timeout_s: float = 90) -> Said:
        """Run and return what it said."""
        done = self(*arguments, timeout_s=timeout_s)
        return Said(done.returncode, done.stdout, done.stderr)

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query to the store."""
        with closing(sqlite3.connect(self.store)) as connection:
            return connection.execute(query).fetchall()

    def json(self, *arguments: str) -> Any:
        """Run with `--json` and return the document; the exit code must be 0."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
