"""A real server: it grows while it serves, every policy is measured, and clouds say what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.model import CellStatus
from sebsx_local.backend import LocalPlatform
from sebsx_serving.analyzer import ServingAnalyzer, ServingAnalyzerSettings
from sebsx_serving.courses import served_of
from sebsx_serving.experiment import ServingLab
from sebsx_serving.policies import CONCURRENCY, POLICIES
from sebsx_serving.settings import ServingSettings
from tests.orchestration import store_in
from tests.plugins.delays import home, run_on

__all__ = ["home"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home")]


def test_preset_for_a_first_look_measures_every_mode_and_policy(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        view = run_on(LocalPlatform, ServingLab(), ServingSettings(), store)
        cells = list(view.cells())
        report = ServingAnalyzer().analyze([view], ServingAnalyzerSettings(simulated_s=20.0))
    # Where sandboxes crowd the processors, the generator that shares them may be late.
    sure = [cell for cell in cells if cell.factors.get("policy") != CONCURRENCY]
    assert [cell.error for cell in sure if cell.status is not CellStatus.FINISHED] == []
    unsure = [cell.status for cell in cells if cell not in sure]
    assert set(unsure) <= {CellStatus.FINISHED, CellStatus.INVALID}
    tables = {table.name: list(table.rows) for table in report.tables}
    assert len(tables) == len(report.tables)
    assert len(tables["modes"]) == len([cell for cell in cells if cell.factors["part"] == "modes"])
    assert all(row["throughput"] > 0 for row in tables["modes"])
    measured = {(row["policy"], row["load"]) for row in tables["policies"]}
    assert measured >= {(policy, load) for policy in POLICIES if policy != CONCURRENCY for load in ("users", "ramp")}
    assert {row["policy"] for row in tables["simulated"]} == set(POLICIES)
    assert len(tables["claims"]) == 6
    assert report.answers


def test_server_grows_under_a_load_it_cannot_carry_and_tells_each_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sebsx_serving.experiment.most_workers", lambda *_: 2)
    settings = ServingSettings(
        modes=(), policies=("hybrid", "horizontal"), loads=("users",), inference_s=0.2, duration_s=2.0, period_s=0.7,
        users=12, spawn_rate=100.0, think="0.1s..0.2s", model="1MiB",
    )  # fmt: skip
    with store_in(tmp_path) as store:
        view = run_on(LocalPlatform, ServingLab(), settings, store)
        served = {each.policy: each for each in served_of(view)}
        assert [cell.error for cell in view.cells() if cell.status is not CellStatus.FINISHED] == []
    for policy in ("hybrid", "horizontal"):
        course = served[policy].course
        assert [number for _, number in course.workers] == [1, 2]
        assert course.workers[1][0] >= settings.period_s
        assert len(course.latency_s) == len(served[policy].service_s) > 0
        assert max(course.latency_s) > settings.inference_s  # twelve users and at most two workers: they wait
        assert min(served[policy].service_s) > settings.inference_s / 2
