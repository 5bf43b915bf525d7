"""Whole runs by the command line: measured, priced by the plan, and nothing left behind."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.emulated_azure import EmulatedSubscription
from tests.support import Cli, beyond_this_machine, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SMALL = ("--platform", "azure", "--size", "test", "--repetitions", "2")


def test_run_is_measured_priced_and_gone(cloud: Cli, subscription: EmulatedSubscription) -> None:
    done = cloud("run", "benchmark", "sleep", *SMALL, "--memory", "512", timeout_s=400)
    assert done.returncode == 0, done.stderr
    rows = cloud.rows("SELECT start_type, cost_usd, provider_duration_s FROM measured")
    assert sorted({start for start, *_ in rows}) == ["cold", "warm"]
    for _, cost_usd, duration_s in rows:
        # USD per GB-s and execution of 2026-09, East US; at least a second, then steps of 100 ms.
        billed_s = max(1.0, math.ceil(duration_s * 10) / 10)
        assert cost_usd == pytest.approx(billed_s * 0.5 * 0.000026 + 0.0000004, rel=1e-6)
    (effective,) = {text for (text,) in cloud.rows("SELECT effective FROM deployment")}
    assert json.loads(effective)["tier"] == "flex"
    assert subscription.remaining() == {}
    assert beyond_this_machine(cloud.json("clean", "--dry-run", "--platform", "azure")) == []
    assert cloud.rows("SELECT kind, name, state FROM resource WHERE state != 'deleted'") == []


def test_killed_run_is_cleaned_from_another_machine_by_its_tags(
    cloud: Cli, subscription: EmulatedSubscription, tmp_path: Path
) -> None:
    process = cloud.start("run", "benchmark", "crud-api", *SMALL[:-1], "10000")
    wait_until(lambda: cloud.count() >= 1, process)
    process.kill()
    process.communicate()
    assert {"sites", "serverFarms", "storageAccounts", "resourceGroups"} <= subscription.remaining().keys()
    ((run_id,),) = cloud.rows("SELECT ulid FROM run")
    cloud.environment |= {"SEBSX_STORE": str(tmp_path / "other.sqlite"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    kept = cloud.json("clean", "--platform", "azure")
    assert kept
    assert all(row["outcome"].startswith("kept until ") for row in kept)
    gone = cloud.json("clean", "--platform", "azure", "--run", run_id)
    assert {row["outcome"] for row in gone} == {"deleted"}
    assert subscription.remaining() == {}
