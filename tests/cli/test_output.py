"""An output that is closed, full, or left by its reader: no traceback, and never the exit code of a threshold."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from sebsx.errors import EXIT_OK, EXIT_STORE, EXIT_USAGE
from tests.support import Cli


def ended(sebsx: Cli, words: str, where: str, **environment: str) -> tuple[int, str]:
    """Return exit code and errors of a command whose output a shell sent somewhere."""
    line = f"exec {shlex.quote(sys.executable)} -m sebsx {words} {where}"
    done = subprocess.run(
        ["sh", "-c", line],
        env={**sebsx.environment, **environment},
        cwd=sebsx.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("words", ["--version", "list suites", "list suites --json"])
def test_results_for_which_there_is_no_room_are_one_line(sebsx: Cli, words: str) -> None:
    code, errors = ended(sebsx, words, "> /dev/full")

    assert code == EXIT_STORE
    assert errors == "error: the output cannot be written: No space left on device; write it somewhere else\n"


@pytest.mark.slow
def test_room_is_missed_where_python_buffers_nothing(sebsx: Cli) -> None:
    code, errors = ended(sebsx, "list suites", "> /dev/full", PYTHONUNBUFFERED="1")

    assert (code, errors.count("\n")) == (EXIT_STORE, 1)


@pytest.mark.slow
@pytest.mark.parametrize("where", [">&-", "<&- >&- 2>&-"])
def test_closed_output_is_nobodys_fault(sebsx: Cli, where: str) -> None:
    assert ended(sebsx, "list suites", where) == (EXIT_OK, "")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-"])
def test_error_that_cannot_be_told_keeps_its_exit_code(sebsx: Cli, where: str) -> None:
    assert ended(sebsx, "nonsense", where)[0] == EXIT_USAGE
