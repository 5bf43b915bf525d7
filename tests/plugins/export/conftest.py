"""What tests of exporters share: a store, runs with known figures, and environments for programs that read exports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sebsx.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def consumer(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return an installer of a program in an environment of its own: `consumer("asv")` gives its folder of programs."""
    made: dict[tuple[str, ...], Path] = {}

    def install(*requirements: str) -> Path:
        if requirements not in made:
            folder = tmp_path_factory.mktemp("consumer")
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
            python = str(folder / "bin" / "python")
            subprocess.run([*uv, "pip", "install", "-q", "--python", python, *requirements], check=True, timeout=240)
            made[requirements] = folder / "bin"
        return made[requirements]

    return install
