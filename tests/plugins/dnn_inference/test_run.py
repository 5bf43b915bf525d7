"""Planted engines from the command's plugin to the recommendation, in real sandboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.model import CellStatus
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.registries import registry_with
from sebsx_dnn_inference.analyzer import DnnAnalyzer, DnnAnalyzerSettings
from sebsx_dnn_inference.experiment import CONVERTED, DnnInference
from sebsx_dnn_inference.settings import DnnSettings
from tests.orchestration import Listener, store_in
from tests.plugins.delays import home
from tests.plugins.dnn_inference.planted import PLANTED, identity_model

__all__ = ["home"]
pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.usefixtures("home")]


def test_planted_engines_come_back_and_what_cannot_be_served_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))  # where the planted engines are
    engines = ("planted", "planted-quick", "planted-wrong", "planted-crash", "planted-failing")
    settings = DnnSettings(
        model=(str(identity_model(tmp_path / "same.onnx")),), optimizer=engines, batch=(1,), sandboxes=6, calls=2
    )
    registry = registry_with(sebsx_register_engines=lambda: PLANTED)
    with store_in(tmp_path) as store:
        spec = RunSpec(DnnInference(), settings, {"local": registry.platforms["local"].Settings()}, seed=1)
        run = orchestrator.run(spec, registry, store, Listener())
        view = store.view(run.id)
        cells = {cell.factors["optimizer"]: cell for cell in view.cells()}
        report = DnnAnalyzer().analyze([view], DnnAnalyzerSettings())
        stored = {value.metric for value in view.values() if value.cell_id == cells["planted"].id}
    assert CONVERTED in stored
    assert {name for name, cell in cells.items() if cell.status is CellStatus.FINISHED} == set(engines[:2])
    assert "changes what same answers" in (cells["planted-wrong"].error or "")
    assert "signal 11" in (cells["planted-crash"].error or "")
    assert "operator 'Identity' is not known" in (cells["planted-failing"].error or "")
    speed = {row["optimizer"]: row for row in report.tables[0].rows}
    cold = {row["optimizer"]: row for row in report.tables[1].rows}
    shares = [finding for finding in report.findings if "of a first call is its cold start" in finding.text]
    assert len(shares) == 2 or report.answers == ["same: nothing is recommended; the warnings say why"]  # starved
    assert all(0.5 < finding.numbers["cold_share"] < 1 for finding in shares)
    for name, inference_s, load_s in (("planted", 0.050, 0.1), ("planted-quick", 0.025, 0.4)):
        assert speed[name]["latency_s"].value >= inference_s
        assert speed[name]["latency_s"].low < 1.5 * inference_s  # a busy machine is late, and never early
        assert cold[name]["load_s"].value == pytest.approx(load_s, rel=0.5)
