"""What several tests use by import."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

RUNTIME_MODULES = ("groups", "context")


def load_shipped(monkeypatch: pytest.MonkeyPatch, package: str, name: str) -> ModuleType:
    """Return what a collector ships as a new module, with the runtime under the name that it has in a package."""
    monkeypatch.setitem(sys.modules, "sebsx_runtime", importlib.import_module("sebsx.runtime.python"))
    for module in RUNTIME_MODULES:
        path = Path(__file__).parents[1] / "sebsx" / "runtime" / "python" / f"{module}.py"
        monkeypatch.setitem(sys.modules, f"sebsx_runtime.{module}", _load(f"sebsx_runtime.{module}", path))
        monkeypatch.setattr(sys.modules["sebsx_runtime"], module, sys.modules[f"sebsx_runtime.{module}"], raising=False)
    folder = importlib.import_module(package).__file__
    assert folder is not None
    return _load(f"shipped_{name}", Path(folder).parent / "shipped" / f"{name}.py")


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
