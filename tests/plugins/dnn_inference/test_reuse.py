"""A cell that was measured before is taken from there: the plan, the store and the report say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.model import CellStatus
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.store import Store
from sebsx.testing.registries import registry_with
from sebsx_dnn_inference import reuse
from sebsx_dnn_inference.analyzer import DnnAnalyzer, DnnAnalyzerSettings
from sebsx_dnn_inference.experiment import DnnInference
from sebsx_dnn_inference.settings import DnnSettings
from tests.orchestration import Listener, store_in
from tests.plugins.delays import home
from tests.plugins.dnn_inference.planted import Planted, Quick, identity_model

__all__ = ["home"]
pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.usefixtures("home")]


def spec_of(tmp_path: Path, registry: Any, **settings: Any) -> RunSpec:
    path = tmp_path / "same.onnx"
    model = str(path if path.exists() else identity_model(path))
    asked = DnnSettings(
        model=(model,), batch=(1,), **{"sandboxes": 1, "calls": 1, "optimizer": ("planted",), **settings}
    )
    return RunSpec(DnnInference(), asked, {"local": registry.platforms["local"].Settings()}, seed=1)


def never_starved(_view: object) -> dict[int, float]:
    return {}


def test_measured_cell_is_taken_from_its_run_and_named_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))  # where the planted engines are
    monkeypatch.setattr(reuse, "starved_shares", never_starved)  # a busy machine starves, and is another test
    registry = registry_with(sebsx_register_engines=lambda: (Planted, Quick))
    spec = spec_of(tmp_path, registry)
    both = spec_of(tmp_path, registry, optimizer=("planted", "planted-quick"))
    with store_in(tmp_path) as store:
        first = store.view(orchestrator.run(spec, registry, store, Listener()).id)
        plan = orchestrator.plan(both, registry, store)
        assert plan.notes == (
            f"1 of 2 cells were measured in run {first.run.id} and are reused; --force measures them again",
        )
        assert [cell.invocations for cell in plan.cells] == [0, 2]
        assert plan.deployments == 1

        second = store.view(orchestrator.run(spec, registry, store, Listener()).id)
        assert dict(second.counts()) == {}
        assert second.deployments() == []
        (cell,) = second.cells()
        assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, f"measured in run {first.run.id}")
        report = DnnAnalyzer().analyze([second], DnnAnalyzerSettings())
        (row,) = report.tables[0].rows
        (own,) = DnnAnalyzer().analyze([first], DnnAnalyzerSettings()).tables[0].rows
        assert (row["latency_s"], row["taken_from"]) == (own["latency_s"], first.run.id)
        said = f"1 of 1 conditions were measured in run {first.run.id} and are reused"
        assert said in [finding.text for finding in report.findings]

        _hold_what_is_not_reused(store, registry, tmp_path, first.run.id)
        store.delete_run(first.run.id)
        gone = DnnAnalyzer().analyze([second], DnnAnalyzerSettings())
        assert f"1 cell taken from run {first.run.id}, which is no longer stored" in [
            finding.text for finding in gone.findings if finding.warning
        ]


def _hold_what_is_not_reused(store: Store, registry: Any, tmp_path: Path, run_id: str) -> None:
    """Hold that whatever makes it another measurement is measured."""
    for change in ({"force": True}, {"calls": 2}, {"memory_mib": (512,)}, {"tokens": 7}):
        spec = spec_of(tmp_path, registry, **change)
        assert orchestrator.plan(spec, registry, store).notes == (), change
    other = spec_of(tmp_path, registry)
    other = replace(other, platforms={"local": registry.platforms["local"].Settings(keep_alive_s=77.0)})
    assert orchestrator.plan(other, registry, store).notes == ()
