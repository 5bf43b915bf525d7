"""A function that fails: it is called a few times, and why it failed is shown whole, without secrets."""

from __future__ import annotations

import pytest

from sebsx.errors import EXIT_UNSUCCESSFUL
from tests.support import Call, Cli, Write

FAILS = """
def handler(event, context):
    print("looking it up with hunter2-is-secret")
    return inner(event)

def inner(event):
    raise ValueError("no such key: hunter2-is-secret")
"""
SOMETIMES = """
import random

def handler(event, context):
    raise ValueError(f"drawn {random.random()}")
"""


@pytest.mark.slow
def test_what_always_fails_is_called_three_times(sebsx: Cli, call: Call, write_function: Write) -> None:
    folder = str(write_function("failing", FAILS))
    said = call("run", "benchmark", folder, "--start", "cold,warm", "--repetitions", "10")
    assert said.code == EXIT_UNSUCCESSFUL
    assert "failed in the same way" in said.error
    counts = sebsx.rows("SELECT start_wanted, count(*) FROM invocations WHERE kind = 'measured' GROUP BY 1 ORDER BY 1")
    assert counts == [("cold", 3), ("warm", 3)]
    assert "failing on local: 6 of 6 invocations failed" in said.stdout
    first, _, why = said.stdout.partition("why: function_error, 9 invocations")
    assert first.count("ValueError: no such key") == 1
    assert said.stderr.count("ValueError: no such key") == 2  # when it happened, and as the last word
    for shown in (why, call("analyze", "last").stdout, call("show", "last").stdout):
        assert shown.count("in inner") == 1
        assert "it had printed last:\nlooking it up with hunter2-is-secret" in shown


@pytest.mark.slow
def test_what_fails_in_several_ways_is_called_up_to_the_cap(sebsx: Cli, call: Call, write_function: Write) -> None:
    folder = str(write_function("drawing", SOMETIMES))
    call("run", "benchmark", folder, "--start", "warm", "--repetitions", "10", "--set", "max_failures=6")
    counts = sebsx.rows("SELECT count(*) FROM invocations WHERE kind = 'measured'")
    assert counts[0][0] >= 6


@pytest.mark.slow
@pytest.mark.parametrize("known_to", ["the run", "the reader"])
def test_traceback_is_shown_once_without_secrets(
    call: Call, write_function: Write, monkeypatch: pytest.MonkeyPatch, known_to: str
) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", "hunter2-is-secret" if known_to == "the run" else "")
    said = call("run", "benchmark", str(write_function("failing", FAILS)), "--start", "warm", "--repetitions", "3")
    assert ("hunter2" in said.stdout) is (known_to != "the run")
    monkeypatch.setenv("SOME_API_TOKEN", "hunter2-is-secret" if known_to == "the reader" else "")
    shown = call("show", "last", "--failures").stdout
    assert shown.count("in inner") == 1
    assert 'File "function.py"' in shown
    assert "hunter2" not in shown
    assert shown.count("(secret SOME_API_TOKEN)") >= 2  # in what was raised, and in what was printed
    (failure,) = call("show", "last", "--json").json["failures"]
    assert failure["status"] == "function_error"
    assert failure["count"] == 4  # one warm-up and three samples
    assert "ValueError: no such key" in call("show", "last").stdout


@pytest.mark.slow
def test_run_without_failures_says_so(call: Call) -> None:
    call("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "3", "-p", "duration_s=0")
    assert call("show", "last", "--failures").stdout == "no invocation failed\n"
