"""What the shim reads of its threads' turns at a processor, whatever the function does with descriptors."""

from __future__ import annotations

import importlib
import os
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


def test_turns_of_every_thread_are_counted() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        parts = [int((task / "schedstat").read_text().split()[1]) for task in Path(turns.TASKS).iterdir()]
        assert len(parts) > 1
        assert turns.read()[1] >= sum(parts) * 1e-9
    finally:
        done.set()
        thread.join()
