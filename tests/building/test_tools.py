from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sebsx.building import tools
from sebsx.errors import PackagingError
from sebsx.system.interrupts import interrupts
from sebsx.system.processes import end_all, owner_of
from tests.support import wait_until


def is_running(pid: int) -> bool:
    return owner_of(pid) is not None


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(5))
def test_interrupt_while_an_installer_starts_ends_it(tmp_path: Path, attempt: int) -> None:
    script = f"echo $$ > pid; kill -INT {os.getpid()}; exec sleep 60"
    with interrupts.handled(), pytest.raises(KeyboardInterrupt):
        tools.run_installer(["sh", "-c", script], tmp_path, tmp_path / "requirements.txt")
    assert not is_running(int((tmp_path / "pid").read_text(encoding="ascii")))


@pytest.mark.slow
def test_installer_that_takes_too_long_is_ended_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_TIMEOUT_S", 1.0)
    with pytest.raises(PackagingError, match="took more than 1 s; is the registry up"):
        tools.run_installer(["sh", "-c", "echo $$ > pid; exec sleep 60"], tmp_path, tmp_path / "requirements.txt")
    assert not is_running(int((tmp_path / "pid").read_text(encoding="ascii")))


LEAVES = "env -i setsid sleep 600 >/dev/null 2>&1 & echo $! > pid"  # no session, group or variable of ours is left


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "; exit 3", "; exec sleep 600"])
def test_tool_leaves_nothing_behind(tmp_path: Path, ending: str) -> None:
    with suppress(subprocess.TimeoutExpired):
        tools.run_tool(["sh", "-c", LEAVES + ending], tmp_path, timeout_s=1.0)
    assert not is_running(int((tmp_path / "pid").read_text(encoding="ascii")))


@pytest.mark.slow
def test_tools_of_one_that_was_killed_are_found_and_no_others(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from sebsx.building import tools; tools.run_tool(['sh', '-c', {LEAVES!r} + "
    code += f"'; echo $$ > own; exec sleep 600'], Path({str(tmp_path)!r}))"
    killed = subprocess.Popen([sys.executable, "-c", code])
    stranger = subprocess.Popen(["sleep", "600"])
    owner = owner_of(killed.pid)
    assert owner is not None
    wait_until(lambda: (tmp_path / "own").is_file() and (tmp_path / "own").read_text(encoding="ascii"), killed)
    expected = {int((tmp_path / name).read_text(encoding="ascii")) for name in ("own", "pid")}
    assert not expected & tools.leftovers([owner]).keys()  # as long as it lives
    killed.kill()
    killed.wait()

    assert {pid for pid, found in tools.leftovers().items() if found == owner} == expected
    assert end_all(lambda: [pid for pid, found in tools.leftovers([owner]).items() if found == owner])

    assert not any(map(is_running, expected))
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_what_an_installer_says_is_returned(tmp_path: Path) -> None:
    done = tools.run_installer(["sh", "-c", "pwd; echo so >&2; exit 3"], tmp_path, tmp_path / "requirements.txt")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "so\n")
