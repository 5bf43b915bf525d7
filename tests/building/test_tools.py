from __future__ import annotations

import os
from pathlib import Path

import pytest

from sebsx.building import tools
from sebsx.errors import PackagingError
from sebsx.interrupts import interrupts


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("attempt", range(5))
def test_interrupt_while_an_installer_starts_ends_it(tmp_path: Path, attempt: int) -> None:
    script = f"echo $$ > pid; kill -INT {os.getpid()}; exec sleep 60"
    with interrupts.handled(), pytest.raises(KeyboardInterrupt):
        tools.run_installer(["sh", "-c", script], tmp_path, tmp_path / "requirements.txt")
    assert not is_running(int((tmp_path / "pid").read_text(encoding="ascii")))


def test_installer_that_takes_too_long_is_ended_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_TIMEOUT_S", 1.0)
    with pytest.raises(PackagingError, match="took more than 1 s; is the registry up"):
        tools.run_installer(["sh", "-c", "echo $$ > pid; exec sleep 60"], tmp_path, tmp_path / "requirements.txt")
    assert not is_running(int((tmp_path / "pid").read_text(encoding="ascii")))


def test_what_an_installer_says_is_returned(tmp_path: Path) -> None:
    done = tools.run_installer(["sh", "-c", "pwd; echo so >&2; exit 3"], tmp_path, tmp_path / "requirements.txt")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "so\n")
