"""A real account, where `SEBSX_TEST_AWS=1` and credentials are there: both architectures for less than 0.10 USD."""

from __future__ import annotations

import os

import pytest

from tests.support import Cli, beyond_this_machine, processors_seen

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.environ.get("SEBSX_TEST_AWS") != "1", reason="not run: SEBSX_TEST_AWS is not 1"),
]
BOTH = ("--platform", "aws,aws-arm")


@pytest.fixture
def cloud(sebsx: Cli) -> Cli:
    """The command line with the credentials of whoever runs the tests."""
    sebsx.environment["HOME"] = os.environ["HOME"]
    return sebsx


@pytest.mark.parametrize("trigger", ["sdk", "url", "async"])
def test_run_is_measured_priced_and_gone(cloud: Cli, trigger: str) -> None:
    done = cloud(
        "run", "benchmark", "sleep", "crud-api", *BOTH, "--size", "test", "--repetitions", "3", "--budget-usd", "0.03",
        "--option", f"trigger={trigger}", timeout_s=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert cloud.rows("SELECT count(*) FROM measured WHERE cost_usd IS NULL OR start_type != start_wanted") == [(0,)]
    assert processors_seen(cloud) == {("x86_64", "x86_64"), ("arm64", "arm64")}
    assert beyond_this_machine(cloud.json("clean", "--dry-run")) == []
    ((run_id,),) = cloud.rows("SELECT ulid FROM run")
    assert beyond_this_machine(cloud.json("clean", *BOTH, "--run", run_id, "--dry-run")) == []
