"""What the shim reads of its threads' turns at a processor, whatever the function does with descriptors."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

turns = importlib.import_module("sebsx.runtime.python.turns")


@pytest.fixture(autouse=True)
def readable() -> None:
    if turns.read() is None:
        pytest.skip("this kernel has no schedstat")


def test_closed_descriptor_is_opened_again() -> None:
    assert turns._main_ns() >= 0
    os.close(turns._main)
    assert turns._main_ns() >= 0


def test_descriptor_that_is_something_else_now_is_left_alone(tmp_path: Path) -> None:
    turns._main_ns()
    other = tmp_path / "other"
    other.write_text("no numbers")
    with other.open("rb") as file:
        os.dup2(file.fileno(), number := turns._main)
        assert turns._main_ns() >= 0
        assert turns._main != number
        assert os.read(number, 100) == b"no numbers"
    os.close(number)


def test_call_after_a_function_closed_everything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert turns.between(turns.read()).keys() == {"function.cpu_s", "function.runqueue_s"}
    turns._main_ns()
    os.close(turns._main)
    os.close(turns._tasks)
    monkeypatch.setattr(turns, "_alone", True)

    before = turns.read()

    assert before is not None
    assert len(turns.between(before)) == 2


def test_folder_whose_number_is_something_else_now_is_opened_again(tmp_path: Path) -> None:
    turns.between(turns.read())
    other = os.open(tmp_path, os.O_RDONLY)
    os.dup2(other, number := turns._tasks)

    turns.between(turns.read())

    assert turns._tasks != number
    assert os.path.samestat(os.fstat(number), tmp_path.stat())
    os.close(number)
    os.close(other)


def test_forked_process_reads_its_own_turns() -> None:
    program = """
import os, sys
from sebsx.runtime.python import turns
turns.between(turns.read())
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
turns.between(turns.read())
files = (os.readlink(f"/proc/self/fd/{number}") for number in (turns._main, turns._tasks))
print(*(file.split("/")[2] == str(os.getpid()) for file in files))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr


def test_thread_that_began_between_calls_counts_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_alone", True)  # as after a call that left no thread
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    monkeypatch.setattr(turns, "_waited_ns", lambda _file: 1)
    try:
        _, waited_ns = turns.read()
        assert waited_ns == len(list(Path(turns.TASKS).iterdir())) > 1
    finally:
        done.set()
        thread.join()


def test_turns_of_every_thread_are_counted() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        parts = [int((task / "schedstat").read_text().split()[1]) for task in Path(turns.TASKS).iterdir()]
        assert len(parts) > 1
        assert turns.read()[1] >= sum(parts)
    finally:
        done.set()
        thread.join()
