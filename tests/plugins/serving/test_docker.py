"""A container gets more processors while it serves."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from sebsx.model import CellStatus
from sebsx_docker.backend import DockerPlatform
from sebsx_serving.experiment import ServingLab
from sebsx_serving.processors import Processors
from sebsx_serving.settings import ServingSettings
from tests.orchestration import store_in
from tests.plugins.delays import home, run_on

__all__ = ["home"]


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("home")
def test_quota_of_a_container_follows_the_policy_while_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sebsx_serving.experiment.most_workers", lambda *_: 2)
    quotas, given = [], Processors.set

    def given_and_read(self: Processors, processors: int) -> None:
        given(self, processors)
        client = docker.from_env()
        try:
            quotas.append(client.api.inspect_container(self._host)["HostConfig"]["CpuQuota"])
        finally:
            client.close()

    monkeypatch.setattr(Processors, "set", given_and_read)
    settings = ServingSettings(
        modes=(), policies=("hybrid",), loads=("users",), inference_s=0.3, duration_s=2.0, period_s=1.0, users=12,
        spawn_rate=100.0, think="0.1s..0.2s", model="1MiB",
    )  # fmt: skip
    with store_in(tmp_path) as store:
        view = run_on(DockerPlatform, ServingLab(), settings, store)
        assert [(cell.status, cell.error) for cell in view.cells()] == [(CellStatus.FINISHED, None)]
    assert quotas == [100_000, 200_000]
