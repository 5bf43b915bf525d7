"""A plan takes about as long as the run: what a polling sandbox exchanges in memory takes less than by a socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.registries import registry_with
from sebsx_hot_start.experiment import HotSettings, HotStart
from sebsx_local.settings import LocalSettings
from tests.orchestration import store_in


@pytest.mark.parametrize(("preset", "most_s"), [("quick", 40), ("full", 1200)])
def test_time_of_a_plan_is_of_the_ways_of_each_cell(tmp_path: Path, preset: str, most_s: float) -> None:
    spec = RunSpec(HotStart(), HotSettings(preset=preset), {"local": LocalSettings()}, seed=1)
    with store_in(tmp_path) as store:
        cells = orchestrator.plan(spec, registry_with(), store).cells
    took_s = {(cell.factors["way"], cell.factors["payload_bytes"]): cell.duration_s or 0.0 for cell in cells}
    largest = max(size for _, size in took_s)
    assert took_s["shared-memory", largest] < took_s["loopback", largest]
    assert most_s / 4 < sum(cell.duration_s or 0.0 for cell in cells) < most_s
