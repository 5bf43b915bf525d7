"""A real subscription, where `SEBSX_TEST_AZURE=1` and settings that lead to it are there, for less than 0.10 USD."""

from __future__ import annotations

import os

import pytest

from tests.support import Cli, beyond_this_machine, processors_seen

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.environ.get("SEBSX_TEST_AZURE") != "1", reason="not run: SEBSX_TEST_AZURE is not 1"),
]
ON_AZURE = ("--platform", "azure")


@pytest.mark.parametrize("language", ["python", "nodejs"])
def test_run_is_measured_priced_and_gone(sebsx: Cli, language: str) -> None:
    known = ("SEBSX_PLATFORM__AZURE__", "AZURE_")
    sebsx.environment |= {name: value for name, value in os.environ.items() if name.startswith(known)}
    sebsx.environment["HOME"] = os.environ["HOME"]  # where `az login` keeps its tokens
    done = sebsx(
        "run", "benchmark", "dynamic-html", *ON_AZURE, "--size", "test", "--repetitions", "3", "--budget-usd", "0.03",
        "--language", language, timeout_s=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sebsx.rows("SELECT count(*) FROM measured WHERE cost_usd IS NULL OR start_type != start_wanted") == [(0,)]
    assert processors_seen(sebsx) == {("x86_64", "x86_64")}
    assert beyond_this_machine(sebsx.json("clean", "--dry-run")) == []
    ((run_id,),) = sebsx.rows("SELECT ulid FROM run")
    assert beyond_this_machine(sebsx.json("clean", *ON_AZURE, "--run", run_id, "--dry-run")) == []
