"""Every row of "Promised, measured" in docs/methods/statistics.md has a job that is there and starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak import gates
from tests.support import Call

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/methods/statistics.md"
UNITS = "tests/soak/test_units.py"


def jobs() -> list[str]:
    """Return the jobs that the last column names: words of a test's name, or a file."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("## Promised, measured")
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    last = [row.rstrip("| ").rpartition("|")[2] for row in rows if not row.startswith("| ---")]
    found = [re.findall(r"`([^`]+)`", cell) for cell in last]
    assert all(found), "a row names no job"
    return [job for cell in found for job in cell]


@pytest.mark.slow
def test_every_promise_has_a_job_that_starts() -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-m", "soak", "-p", "no:cacheprovider", UNITS]
    shown = subprocess.run(
        [*command, "-k", "not gate_calls"], cwd=ROOT, env={**os.environ, "SOAK_DRAWS": "0.01"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stdout
    started = [line for line in shown.stdout.splitlines() if line.startswith(UNITS)]
    started += [f"{UNITS}::test_gate_calls_the_same_code[{name}]" for name in gates.JOBS]
    named = set()
    for job in jobs():
        if "/" in job:
            assert list((ROOT / job).rglob("test_*.py")) or (ROOT / job).is_file(), job
            continue
        fitting = [line for line in started if all(word in line for word in job.split(" and "))]
        assert fitting, f"no job {job!r}"
        named |= set(fitting)
    assert set(started) == named, "a job without a promise on the page"


@pytest.mark.parametrize("name", gates.JOBS)
def test_runs_of_the_product_are_ones_that_can_be_planned(call: Call, name: str) -> None:
    job = gates.JOBS[name]
    said = call("plan", *job.words[1:])
    assert said.code == 0, said.stderr
    assert "is not known" not in call("compare", "last", *job.compared, "--fail-on", "regression").stderr
