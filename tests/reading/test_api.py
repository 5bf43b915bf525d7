"""What `import sebsx` offers: the same that the command line does, and nothing before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sebsx
from sebsx.errors import UserError
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter


def test_importing_costs_nothing():
    code = "import sys; before = set(sys.modules); import sebsx; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": str(Path(sebsx.__file__).parent.parent)})  # fmt: skip
    assert set(eval(done.stdout)) <= {"sebsx", "__future__"}  # a list of our own


def test_every_name_of_the_api_is_there_and_no_other():
    assert all(getattr(sebsx, name) for name in sebsx._API)
    assert set(sebsx._API) <= set(dir(sebsx))
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        sebsx.runn  # noqa: B018  # it is asked for


def test_plan_says_what_a_run_would_do():
    settings = {"benchmarks": ["sleep"], "start": ["warm"], "memory_mib": [128], "repetitions": 5}
    plan = sebsx.plan("perf-cost", settings, platforms=["local"])
    assert (plan.deployments, [cell.factors["memory_mib"] for cell in plan.cells]) == (1, [128])


@pytest.mark.parametrize(
    ("experiment", "settings", "asked", "told"),
    [
        ("perf-cots", {}, {}, "did you mean 'perf-cost'"),
        ("perf-cost", {"benchmark": ["sleep"]}, {}, "did you mean 'experiment.perf-cost.benchmarks'"),
        ("perf-cost", {}, {"platform": ["local"]}, "'platform' cannot be asked of a run"),
        ("perf-cost", {}, {"platforms": ["lokal"]}, "did you mean 'local'"),
    ],
)
def test_what_is_asked_for_and_does_not_exist_is_told(experiment, settings, asked, told):
    with pytest.raises(UserError, match=told):
        sebsx.plan(experiment, settings, **asked)


@pytest.mark.slow
def test_page_is_written_where_a_string_or_a_path_says(tmp_path):
    with open_store(tmp_path / "results.sqlite") as store:
        writer = RunWriter(store)
        writer.add([0.1, 0.2])
        view = writer.finish()
        for file in (str(tmp_path / "one.html"), tmp_path / "two.html"):
            written = sebsx.Services(store_option=tmp_path / "results.sqlite").page([view], file)
            assert written == Path(file)
            assert written.stat().st_size > 10_000
