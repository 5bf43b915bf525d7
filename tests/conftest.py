"""What tests of the command line share: a user's home of their own, and functions to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


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


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that a package is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def sebsx(tmp_path: Path, shared_cache: Path) -> Cli:
    """The command line in a home of its own; nothing may be left running behind it."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEBSX_", "XDG_"))}
    cli = Cli(home)
    cli.environment = {
        **kept,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(shared_cache),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "SEBSX_STORE": str(cli.store),
        "PYTHONWARNINGS": "error",
        "COLUMNS": "200",
    }
    return cli


@pytest.fixture
def write_function(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of benchmark folders: `write_function("name", "def handler(event, context): ...")`."""

    def write(name: str, code: str, *, driver: str = "", manifest: str = "", files: Mapping[str, str] = {}) -> Path:
        root = tmp_path / name
        (root / "python").mkdir(parents=True)
        (root / "benchmark.toml").write_text(
            f'name = "{name}"\nversion = "1"\nsummary = "a function of a test"\n{manifest}', encoding="utf-8"
        )
        (root / "python" / "function.py").write_text(code, encoding="utf-8")
        if driver:
            (root / "benchmark.py").write_text(driver, encoding="utf-8")
        for path, text in files.items():
            (root / path).write_text(text, encoding="utf-8")
        return root

    return write
