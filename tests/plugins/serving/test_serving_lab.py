"""A real server: it grows while it serves, every policy is measured, and clouds say what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.model import CellStatus
from sebsx_local.backend import LocalPlatform
from sebsx_serving.courses import served_of
from sebsx_serving.experiment import ServingLab
from sebsx_serving.settings import ServingSettings
from tests.orchestration import store_in
from tests.plugins.delays import home, run_on

__all__ = ["home"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home")]


def test_server_grows_under_a_load_it_cannot_carry_and_tells_each_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sebsx_serving.experiment.most_workers", lambda *_: 2)
    settings = ServingSettings(
        modes=("forked",), work=("released",), policies=("hybrid", "horizontal", "concurrency"), loads=("users",),
        inference_s=0.3, duration_s=3.0, period_s=1.0, saturate_s=0.5, users=12, spawn_rate=100.0, think="0.1s..0.2s",
        model="1MiB",
    )  # fmt: skip
    with store_in(tmp_path) as store:
        view = run_on(LocalPlatform, ServingLab(), settings, store)
        served = {each.policy: each for each in served_of(view)}
        status = {cell.factors.get("policy") or cell.factors["workers"]: cell.status for cell in view.cells()}
    assert {key: value for key, value in status.items() if key != "concurrency"} == dict.fromkeys(
        (1, 2, "hybrid", "horizontal"), CellStatus.FINISHED
    )
    assert status["concurrency"] in (CellStatus.FINISHED, CellStatus.INVALID)  # where the generator was late
    assert "concurrency" not in served or served["concurrency"].crowded  # on a busy machine nobody is answered in time
    for policy in ("hybrid", "horizontal"):
        course = served[policy].course
        assert [number for _, number in course.workers] == [1, 2]
        assert 1.0 <= course.workers[1][0] < 3.0
        assert len(course.latency_s) == len(served[policy].service_s) > 0
        assert max(course.latency_s) > 0.3  # twelve users and at most two workers: they wait
        assert min(served[policy].service_s) > 0.2
