"""What must cost nothing: help and completion; and output that nobody reads to its end."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys

from tests.support import Cli

HEAVY = {"numpy", "scipy", "sqlalchemy", "rich", "pycurl", "boto3", "docker", "httptools", "asyncio"}
# 0.25 s of CPU on a quiet machine; shared ones take half as long again. Wanted by the speed work: 0.10 s.
HELP_CPU_S = 0.4
REPORT = """
import json, sys
from sebsx.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
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


def test_help_of_every_setting_is_plain(sebsx: Cli) -> None:
    for setting in sebsx.json("config", "show"):
        for odd, plain in PLAIN.items():
            assert not re.search(odd, setting["help"]), f"{setting['setting']}: {setting['help']!r}: write {plain!r}"


def test_help_imports_nothing_heavy(sebsx: Cli) -> None:
    for words in (["--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", REPORT, *words],
            env=sebsx.environment, cwd=sebsx.home, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "sebsx" in done.stdout
        assert HEAVY & set(json.loads(done.stderr)) == set()


def test_help_is_quick(sebsx: Cli) -> None:
    assert any(cpu_s(sebsx, "--help") < HELP_CPU_S for _ in range(5))  # the least of them


def cpu_s(cli: Cli, *words: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert cli(*words).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def complete(cli: Cli, line: str) -> list[str]:
    words = line.split(" ")
    cli.environment |= {"_SEBSX_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", "from sebsx.cli import main; main()"],
        env=cli.environment, cwd=cli.home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion_offers_commands_benchmarks_and_options(sebsx: Cli) -> None:
    assert complete(sebsx, "sebsx ru") == ["run", "runs"]
    assert complete(sebsx, "sebsx run benchmark sl") == ["sleep"]
    assert "--memory" in complete(sebsx, "sebsx run benchmark --me")


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
