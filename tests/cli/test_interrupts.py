"""Ctrl-C and SIGTERM at any moment: exit code 130, nothing left behind, and the run can be gone on with."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support import Call, Cli, Said, Write, assert_nothing_left, wait_until

INTERRUPTED, USAGE = 130, 2
SLEEP = ("run", "benchmark", "sleep", "--size", "test", "-p", "duration_s=0.01")


def interrupt(cli: Cli, call: Call, words: Sequence[str], when: Callable[[], object], *signals: signal.Signals) -> str:
    """Start a run, send signals to all its processes as a terminal does, hold that it ends well, return its id."""
    process = cli.start(*words, start_new_session=True)
    wait_until(when, process)
    for number in signals:
        os.killpg(process.pid, number)
    stdout, stderr = process.communicate(timeout=60)
    said = Said(process.returncode, stdout, stderr)
    run_id = call("runs", "--json").json[0]["id"]
    said.assert_fails(INTERRUPTED, "interrupted", f"sebsx run --resume {run_id}" if cli.count() else "")
    assert stdout == ""
    assert cli.rows("SELECT status FROM run") == [("interrupted",)]
    assert cli.rows("SELECT count(*) FROM resource WHERE state <> 'deleted'") == [(0,)]
    assert_nothing_left(call)
    return run_id


@pytest.mark.parametrize(
    ("start", "repetitions", "signals"),
    [
        pytest.param("warm", 150, [signal.SIGINT], marks=pytest.mark.slow),
        pytest.param("cold", 40, [signal.SIGTERM], marks=pytest.mark.slow),
        pytest.param("warm", 150, [signal.SIGINT, signal.SIGINT, signal.SIGTERM], marks=pytest.mark.slow),
    ],
)
def test_interrupted_run_is_kept_cleaned_and_resumed(
    sebsx: Cli, call: Call, start: str, repetitions: int, signals: list[signal.Signals]
) -> None:
    words = (*SLEEP, "--start", start, "--repetitions", str(repetitions))
    run_id = interrupt(sebsx, call, words, lambda: sebsx.count() >= 5, *signals)
    kept = sebsx.rows("SELECT sequence, sandbox_id FROM measured ORDER BY sequence")
    assert 5 <= len(kept) < repetitions
    resumed = call("run", "--resume", run_id, "--json").json
    assert (resumed["run"]["id"], resumed["run"]["status"]) == (run_id, "finished")
    assert [cell["stop_reason"] for cell in resumed["cells"]] == ["enough samples"]
    after = sebsx.rows("SELECT sequence, sandbox_id FROM measured ORDER BY sequence")
    assert after[: len(kept)] == kept
    assert len(after) == repetitions  # those of before count
    call("run", "--resume", run_id).assert_fails(USAGE, run_id, "is finished")


@pytest.mark.slow
def test_run_whose_terminal_is_closed_is_torn_down(sebsx: Cli, call: Call) -> None:
    code = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, [sys.executable, '-m', 'sebsx', *sys.argv[1:]])"
    )
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *SLEEP, "--start", "warm", "--repetitions", "100000"],
        cwd=sebsx.home, env=sebsx.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    reader = threading.Thread(target=_drain, args=(ours, lambda: sebsx.count() >= 5))
    reader.start()
    reader.join(60)
    os.close(ours)
    assert process.wait(60) == INTERRUPTED
    assert sebsx.rows("SELECT status FROM run") == [("interrupted",)]
    assert sebsx.rows("SELECT count(*) FROM resource WHERE state <> 'deleted'") == [(0,)]
    assert_nothing_left(call)


def _drain(terminal: int, enough: Callable[[], object]) -> None:
    """Read a terminal, so that nobody waits to write to it, until there is enough."""
    while not enough():
        os.set_blocking(terminal, False)
        with contextlib.suppress(BlockingIOError):
            os.read(terminal, 65536)
        time.sleep(0.01)


@pytest.mark.slow
def test_finished_cells_are_not_measured_again(sebsx: Cli, call: Call) -> None:
    words = (*SLEEP, "--start", "warm", "--memory", "128,256", "--repetitions", "60", "--design", "sequential")
    run_id = interrupt(sebsx, call, words, lambda: sebsx.count() >= 65, signal.SIGINT)
    assert sebsx.rows("SELECT status FROM cell ORDER BY id") == [("finished",), ("running",)]
    assert call("run", "--resume", run_id).code == 0
    counted = "SELECT memory_mib, count(*) FROM measured GROUP BY memory_mib"
    assert sebsx.rows(counted) == [(128, 60), (256, 60)]
    deployed = "SELECT memory_mib, count(*) FROM deployment GROUP BY memory_mib"
    assert sebsx.rows(deployed) == [(128, 1), (256, 2)]


@pytest.mark.slow
def test_interrupted_build_leaves_nothing(sebsx: Cli, call: Call, write_function: Write, tmp_path: Path) -> None:
    folder = write_function("building", "def handler(event, context):\n    return {}\n")
    (folder / "python" / "requirements.txt").write_text("sebsx-slow-to-resolve==1.0\n", encoding="utf-8")
    tools, building = tmp_path / "tools", tmp_path / "uv.pid"
    tools.mkdir()
    # A registry that never answers.
    (tools / "uv").write_text(f"#!/bin/sh\necho $$ > {building}\nexec sleep 300\n", encoding="utf-8")
    (tools / "uv").chmod(0o755)
    sebsx.environment["PATH"] = f"{tools}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The shell makes the file before it writes into it.
    interrupt(
        sebsx,
        call,
        ("run", "benchmark", str(folder)),
        lambda: building.exists() and building.read_text() != "",
        signal.SIGINT,
    )
    pid = int(building.read_text(encoding="utf-8"))
    assert subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False).returncode != 0


@pytest.mark.slow
def test_interrupt_of_one_run_names_its_own_id_beside_another(sebsx: Cli) -> None:
    first = sebsx.start(*SLEEP, "--start", "warm", "--repetitions", "100000", start_new_session=True)
    wait_until(lambda: sebsx.count() >= 1, first)
    second = sebsx.start(*SLEEP, "--start", "warm", "--repetitions", "100000", start_new_session=True)
    wait_until(lambda: sebsx.rows("SELECT count(DISTINCT run) FROM measured") == [(2,)], second)
    older, newer = (run_id for (run_id,) in sebsx.rows("SELECT ulid FROM run ORDER BY id"))
    for process, run_id in ((first, older), (second, newer)):
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert f"sebsx run --resume {run_id}" in stderr
