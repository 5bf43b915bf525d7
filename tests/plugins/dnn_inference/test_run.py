"""Planted engines from the command's plugin to the recommendation, in real sandboxes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

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
    engines = tuple(engine.name for engine in PLANTED)
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
    assert "Cannot allocate memory" in (cells["planted-greedy"].error or "")
    assert "No space left on device" in (cells["planted-full"].error or "")
    assert all("\n" not in (cell.error or "") for cell in cells.values())
    speed = {row["optimizer"]: row for row in report.tables[0].rows}
    cold = {row["optimizer"]: row for row in report.tables[1].rows}
    shares = [finding for finding in report.findings if "of a first call is its cold start" in finding.text]
    assert len(shares) == 2 or report.answers == ["same: nothing is recommended; the warnings say why"]  # starved
    assert all(0.5 < finding.numbers["cold_share"] < 1 for finding in shares)
    for name, inference_s, load_s in (("planted", 0.050, 0.1), ("planted-quick", 0.025, 0.4)):
        assert speed[name]["latency_s"].value >= inference_s
        assert speed[name]["latency_s"].low < 1.5 * inference_s  # a busy machine is late, and never early
        assert cold[name]["load_s"].value == pytest.approx(load_s, rel=0.5)


def write_bad(folder: Path) -> dict[str, str]:
    """Write models that cannot be served, and return by name what is said of each."""
    (folder / "whole.pt").write_bytes(pickle.dumps({"weights": 1}))
    (folder / "noise.onnx").write_bytes(b"\xff" * 64)
    width = onnx.numpy_helper.from_array(np.ones(7, dtype=np.float32), "width")
    for name, operator, domain in (("shapes", "Add", ""), ("operator", "Nothing", "example.com")):
        graph = helper.make_graph(
            [helper.make_node(operator, ["input", "width"], ["output"], domain=domain)],
            name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 8])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 8])],
            [width],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    return {
        "whole": "runs code of its own when it is read",
        "noise": "cannot be read as ONNX",
        "shapes": "engine_onnx' failed: ",
        "operator": "engine_onnx' failed: ",
    }


def test_models_that_cannot_be_served_cost_only_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    told = write_bad(tmp_path)
    identity_model(tmp_path / "same.onnx")
    given = [path for path in sorted(tmp_path.iterdir()) if path.suffix in {".pt", ".onnx"}]
    settings = DnnSettings(model=tuple(map(str, given)), optimizer=("planted",), batch=(1,), sandboxes=1, calls=1)
    registry = registry_with(sebsx_register_engines=lambda: PLANTED)
    with store_in(tmp_path) as store:
        spec = RunSpec(DnnInference(), settings, {"local": registry.platforms["local"].Settings()}, seed=1)
        view = store.view(orchestrator.run(spec, registry, store, Listener()).id)
        cells = {cell.factors["model"]: cell for cell in view.cells()}
    assert {name for name, cell in cells.items() if cell.status is CellStatus.FINISHED} == {"same"}
    for name, words in told.items():
        assert words in (cells[name].error or ""), name
        assert "\n" not in (cells[name].error or ""), name
