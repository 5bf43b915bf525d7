"""Calls the handlers of benchmarks outside of sebsx, with their pinned dependencies and a stand-in context."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.storage import Storage
from tests.support import once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.benchmarks import Benchmark

INVOKE = Path(__file__).with_name("invoke_handler.py")


class FolderStorage(Storage):
    """Objects as files below a folder, which the handlers' stand-in storage reads too."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def put_file(self, key: str, path: Path) -> None:
        self.put(key, path.read_bytes())

    def get(self, key: str) -> bytes:
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def keys(self, prefix: str = "") -> Sequence[str]:
        keys = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, prefix: str) -> None:
        for key in self.keys(prefix):
            (self.root / key).unlink()


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    root = tmp_path / "storage"
    root.mkdir()
    return FolderStorage(root)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Benchmark, str], Path]:
    """Return the folder with a benchmark's pinned dependencies for a Python, installed once a session."""

    def install(benchmark: Benchmark, python: str) -> Path:
        requirements = benchmark.code("python").folder / "requirements.txt"

        def make(folder: Path) -> Path:
            if requirements.exists():
                command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--only-binary", ":all:"]
                subprocess.run(
                    [*command, "--python", python, "--target", str(folder), "-r", str(requirements)], check=True
                )
            return folder

        digest = hashlib.sha256(python.encode()).hexdigest()[:8]
        return once(tmp_path_factory, f"{benchmark.name}-dependencies-{digest}", make)

    return install


@pytest.fixture
def invoke(installed: Callable[[Benchmark, str], Path], storage: FolderStorage) -> Callable[..., dict[str, Any]]:
    """Return a function that calls a handler in a process of its own and returns its report."""

    def call(
        benchmark: Benchmark, payload: Mapping[str, Any], python: str = sys.executable, calls: int = 1
    ) -> dict[str, Any]:
        dependencies = installed(benchmark, python)
        # -S leaves site-packages out, so that neither sebsx nor what it depends on can be imported.
        done = subprocess.run(
            [python, "-I", "-S", INVOKE, benchmark.code("python").folder, dependencies, storage.root, str(calls)],
            input=json.dumps(payload),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert not report["sees_sebsx"]
        return dict(report)

    return call
