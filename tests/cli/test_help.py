"""What must cost nothing: help and completion; and output that nobody reads to its end."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys

import click
import pytest

from sebsx.cli import cli
from sebsx.cli.app import App, CommandGroup
from sebsx.cli.extending import PluginCommand
from tests.support import BUILT_IN, Call, Cli

HEAVY = {"numpy", "scipy", "sqlalchemy", "rich", "pycurl", "boto3", "docker", "httptools", "asyncio", "sebsx.model"}
# What loading plugins takes at least, none of which help does again; on a busy machine both take longer.
PEER = """
import click, pluggy
from importlib.metadata import entry_points
assert all(point.dist.name for point in entry_points(group="sebsx"))
"""
HELP_PER_PEER = 1.3
REPORT = """
import json, sys
from sebsx.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
# What is plain to nobody who reads it once, and how it is written in place of that.
PLAIN = {
    r"\bnone (for|to)\b": "default: ...",
    r"(?<!at )\bmost\b": "maximum number of ..., time limit ...",
    r"\bat a time\b": "at once",
    r"\b(is|are) no [a-z]": "is not a ...",
    r"\banew\b": "again",
    r"\b(told|dear|dearest)\b": "the fact",
}


@pytest.mark.slow
def test_help_of_every_setting_is_plain(sebsx: Cli) -> None:
    for setting in sebsx.json("config", "show"):
        for odd, plain in PLAIN.items():
            assert not re.search(odd, setting["help"]), f"{setting['setting']}: {setting['help']!r}: write {plain!r}"


@pytest.mark.slow
def test_durations_are_shown_and_read_as_durations(call: Call) -> None:
    for words in (["run", "load"], ["plan", "load"], ["calibrate"], ["run", "experiment", "eviction"]):
        text = " ".join(call(*words, "--help").stdout.split())
        assert not re.findall(r"--[a-z-]+ (?:TEXT|NUMBER) (?:run )?times? ", text), words
    for option in ("--ramp", "--duration", "--timeout"):
        assert call("plan", "load", "sleep", "--rate", "0..5", option, "2m").code == 0
    call("plan", "load", "sleep", "--rate", "5", "--duration", "2x").assert_fails(
        2, "--duration '2x' is not a duration"
    )


def test_help_shows_commands_by_what_they_are_for_and_cuts_nothing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = call("--help").stdout
    assert re.findall(r"^([A-Z][a-z ]+):", text, re.MULTILINE)[1:] == [
        "Options", "Measure", "Read", "Prices", "Set up", "Plugins",
    ]  # fmt: skip
    own = set(text.split("Measure:")[1].split("Plugins:")[0].split())
    made = {name: cli.own(name) for name in cli.list_commands(click.Context(cli, obj=App()))}
    assert {name for name, command in made.items() if not isinstance(command, PluginCommand | CommandGroup)} <= own
    assert "..." not in text.split("Measure:")[1]
    assert re.search(r"predict +Commands of plugin 'arm-prediction': arm, models, train\.", text)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.slow
def test_help_imports_nothing_heavy(sebsx: Cli) -> None:
    for words in (["--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", REPORT, *words],
            env=sebsx.environment, cwd=sebsx.home, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "sebsx" in done.stdout
        assert HEAVY & set(json.loads(done.stderr)) == set()


def test_commands_of_plugins_are_those_of_the_plugins_that_are_loaded() -> None:
    def names(*wanted: str) -> list[str]:
        app = App()
        app.plugin_names = list(wanted)
        return cli.list_commands(click.Context(cli, obj=app))

    assert "aws" in names(*BUILT_IN)
    assert "aws" not in names("local")


@pytest.mark.slow
def test_commands_of_core_load_no_plugin(sebsx: Cli) -> None:
    for words in (["runs"], ["db", "path"], ["baseline", "list"]):
        done = subprocess.run(
            [sys.executable, "-c", REPORT, *words],
            env=sebsx.environment, cwd=sebsx.home, capture_output=True, text=True, check=True,
        )  # fmt: skip
        loaded = json.loads(done.stderr.splitlines()[-1])
        assert [name for name in loaded if name.startswith("sebsx_")] == [], words


@pytest.mark.slow
def test_help_is_quick(sebsx: Cli) -> None:
    def quick() -> bool:
        return cpu_s(sebsx, "--help") < HELP_PER_PEER * cpu_of(sys.executable, "-c", PEER)

    assert any(quick() for _ in range(5))


def cpu_s(cli: Cli, *words: str) -> float:
    before = _spent_s()
    process = cli.start(*words)  # a new interpreter, which imports what it needs
    process.communicate(timeout=60)
    assert process.returncode == 0
    return _spent_s() - before


def cpu_of(*words: str) -> float:
    before = _spent_s()
    subprocess.run(words, check=True)
    return _spent_s() - before


def _spent_s() -> float:
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of_children.ru_utime + of_children.ru_stime


def complete(cli: Cli, line: str) -> list[str]:
    words = line.split(" ")
    cli.environment |= {"_SEBSX_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", "from sebsx.cli import main; main()"],
        env=cli.environment, cwd=cli.home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_completion_offers_commands_benchmarks_and_options(sebsx: Cli) -> None:
    assert complete(sebsx, "sebsx ru") == ["run", "runs"]
    assert complete(sebsx, "sebsx run benchmark sl") == ["sleep"]
    assert "--memory" in complete(sebsx, "sebsx run benchmark --me")


@pytest.mark.slow
def test_reader_that_goes_away_is_no_error(sebsx: Cli) -> None:
    for words in (["list", "benchmarks"], ["--help"], ["--json", "config", "show"]):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as stdout:
            done = subprocess.run(
                [sys.executable, "-m", "sebsx", *words],
                env=sebsx.environment, cwd=sebsx.home, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
