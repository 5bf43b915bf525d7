from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sebsx import plugins
from sebsx.contracts import benchmarks
from sebsx.running import environment

HANDLER = "def handler(event, context):\n    return {}\n"
REGISTRY = plugins.load()
Write = Callable[..., Path]
TIME_ERROR = 5  # what adjtimex(2) returns where the clock is not synchronized


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_folder_in_git_is_found_by_its_commit_and_changes_below_it_show(write_function: Write) -> None:
    mine, other = write_function("mine", HANDLER), write_function("other", HANDLER)
    git(mine.parent, "init", "-q")
    git(mine.parent, "add", "mine", "other")
    git(mine.parent, "commit", "-qm", "functions")
    commit = git(mine.parent, "rev-parse", "HEAD")
    (other / "python" / "function.py").write_text("# changed\n" + HANDLER, encoding="utf-8")
    (other / "new.txt").write_text("not in git yet", encoding="utf-8")
    clean, changed = (environment.source_of(benchmarks.load(folder), REGISTRY) for folder in (mine, other))
    assert clean == {"commit": commit, "dirty": False}
    assert changed == {"commit": commit, "dirty": True}


def test_folder_that_no_commit_holds_is_found_nowhere(write_function: Write) -> None:
    folder = write_function("mine", HANDLER)
    assert environment.source_of(benchmarks.load(folder), REGISTRY) == {}
    git(folder.parent, "init", "-q")
    git(folder.parent, "commit", "--allow-empty", "-qm", "nothing")
    assert environment.source_of(benchmarks.load(folder), REGISTRY) == {}


def test_no_manifest_is_read_to_know_whether_a_folder_came_with_a_plugin(
    write_function: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, registry = write_function("mine", HANDLER), plugins.load()
    shipped = next(iter(REGISTRY.benchmarks.values())).root
    mine = benchmarks.load(folder)
    monkeypatch.setattr(benchmarks, "load", lambda *_: pytest.fail("a manifest was read"))
    assert environment.source_of(mine, registry) == {}
    assert registry.brought(shipped)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no adjtimex")
def test_clock_is_kept_unless_the_kernel_calls_it_an_error() -> None:
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024))
    assert environment.clock_synchronized() is (state != TIME_ERROR)


def test_versions_of_the_libraries_that_measure_are_facts() -> None:
    import numpy as np

    assert environment.gather(REGISTRY)["libraries"]["numpy"] == np.__version__
