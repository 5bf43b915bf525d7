"""A client whose clock is set while a run lasts: told, stored and judged, and no duration is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sebsx.running import orchestrator
from sebsx.testing.fakes import FakePlatform
from sebsx_quality.checks import DataQualitySettings
from sebsx_quality.data_quality import DataQuality
from tests.orchestration import Listener, registry_with, run_spec, store_in


def test_clock_of_the_client_that_is_set_between_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall, calls = time.time, 0

    class Setting(FakePlatform):
        def invoke(self, *arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == 3:
                monkeypatch.setattr(time, "time", lambda: wall() + 60.0)
            return super().invoke(*arguments)  # type: ignore[arg-type]

    with store_in(tmp_path) as store:
        listener = Listener()
        run = orchestrator.run(run_spec(repetitions=4), registry_with(Setting), store, listener)
        view = store.view(run.id)
        steps = [value.value for value in view.values() if value.metric == "client.clock_step_s"]
        assert steps == [pytest.approx(60.0, abs=0.01)]
        assert any("the clock of this machine was set by +60.0" in text for text in listener.warnings)
        assert max(view.column("client.latency_s")) < 30.0
        report = DataQuality().analyze([view], DataQualitySettings())
        (row,) = [row for table in report.tables for row in table.rows if row.get("check") == "client-clock"]
        assert row["result"] == "warn"
