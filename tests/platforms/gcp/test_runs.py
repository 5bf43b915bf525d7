"""Whole runs by the command line: measured, priced by the region's tier, and nothing left behind."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.emulated_gcp import EmulatedProject
from tests.support import Cli, beyond_this_machine, processors_seen, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SMALL = ("--platform", "gcp", "--size", "test", "--repetitions", "2")


def assert_empty(cloud: Cli, project: EmulatedProject) -> None:
    assert project.remaining() == {}
    assert beyond_this_machine(cloud.json("clean", "--dry-run", "--platform", "gcp")) == []
    assert cloud.rows("SELECT kind, name, state FROM resource WHERE state != 'deleted'") == []


def test_run_is_measured_priced_and_gone(cloud: Cli, project: EmulatedProject) -> None:
    done = cloud("run", "benchmark", "sleep", *SMALL, "--memory", "256", timeout_s=200)
    assert done.returncode == 0, done.stderr
    rows = cloud.rows("SELECT start_type, cost_usd, provider_duration_s, start_evidence FROM measured")
    assert sorted({start for start, *_ in rows}) == ["cold", "warm"]
    for start, cost_usd, duration_s, evidence in rows:
        # 256 MiB bring 0.167 vCPU; USD per vCPU-s, GiB-s and request of 2026-09 in tier 1; steps of 100 ms.
        billed_s = math.ceil(duration_s * 10) / 10
        assert cost_usd == pytest.approx(billed_s * (0.167 * 0.000024 + 0.25 * 0.0000025) + 0.0000004, rel=1e-6)
        assert json.loads(evidence)["provider"] == start
    (effective,) = {text for (text,) in cloud.rows("SELECT effective FROM deployment")}
    assert json.loads(effective)["vcpu"] == 0.167
    assert processors_seen(cloud) == {("x86_64", "x86_64")}
    assert_empty(cloud, project)


def test_killed_run_is_cleaned_from_another_machine_by_its_labels(
    cloud: Cli, project: EmulatedProject, tmp_path: Path
) -> None:
    process = cloud.start("run", "benchmark", "crud-api", *SMALL[:-1], "10000")
    wait_until(lambda: cloud.count() >= 1, process)
    process.kill()
    process.communicate()
    assert {"functions", "tables"} <= project.remaining().keys()
    ((run_id,),) = cloud.rows("SELECT ulid FROM run")
    cloud.environment |= {"SEBSX_STORE": str(tmp_path / "other.sqlite"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    kept = cloud.json("clean", "--platform", "gcp")
    assert kept
    assert all(row["outcome"].startswith("kept until ") for row in kept)
    gone = cloud.json("clean", "--platform", "gcp", "--run", run_id)
    assert {row["outcome"] for row in gone} == {"deleted"}
    assert project.remaining() == {}
