"""Real models through real engines in real sandboxes: what a user's sweep does."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.analyzers import Report
from sebsx.model import CellStatus
from sebsx.model.stored import StoredCell
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.registries import registry_with
from sebsx_dnn_inference.analyzer import DnnAnalyzer, DnnAnalyzerSettings
from sebsx_dnn_inference.experiment import DIFFERENCE, DnnInference
from sebsx_dnn_inference.settings import PRESETS, DnnSettings
from tests.orchestration import Listener, store_in
from tests.plugins.delays import home

__all__ = ["home"]
pytestmark = [
    pytest.mark.network, pytest.mark.slow, pytest.mark.usefixtures("home"), pytest.mark.timeout(480),
]  # fmt: skip


def swept(tmp_path: Path, platform: str = "local", **settings: Any) -> tuple[list[StoredCell], Report]:
    """Run a sweep, and hold that each cell was measured, and answered as the model did that was given."""
    registry = registry_with()
    with store_in(tmp_path) as store:
        chosen = {platform: registry.platforms[platform].Settings()}
        spec = RunSpec(DnnInference(), DnnSettings(**settings), chosen, seed=1)
        view = store.view(orchestrator.run(spec, registry, store, Listener()).id)
        cells = list(view.cells())
        report = DnnAnalyzer().analyze([view], DnnAnalyzerSettings())
        differences = [value.value for value in view.values() if value.metric == DIFFERENCE]
    assert [cell.error for cell in cells if cell.status is not CellStatus.FINISHED] == []
    assert len(differences) == len(cells) == len(report.tables[0].rows)
    assert report.answers
    return cells, report


def test_preset_for_a_first_look_ends_well(tmp_path: Path) -> None:
    cells, report = swept(tmp_path, sandboxes=1, calls=1)
    assert {(cell.factors["optimizer"], cell.factors["batch"]) for cell in cells} == set(
        product(("onnx", "quantised"), (1, 16))
    )
    assert all(row["relative"] for row in report.tables[0].rows if row["batch"] == 16)


def test_ways_to_load_are_a_preset_and_texts_are_read_in_windows(tmp_path: Path) -> None:
    sizes, engines = (10, 10_000), ("onnx", "onnx-shared")  # each engine is a package of 60 MB to make
    assert set(engines) < set(PRESETS["loading"].optimizers)
    _, report = swept(
        tmp_path, preset="loading", model=("text-cnn",), optimizer=engines, text_bytes=sizes, sandboxes=1, calls=1
    )  # fmt: skip
    (figure,) = (figure for figure in report.figures if figure.name == "text-size")
    assert [[x for x, _ in points] for points in figure.series.values()] == [list(sizes)] * len(engines)
    (loading,) = (table for table in report.tables if table.name == "loading")
    assert sorted(row["engine"] for row in loading.rows) == sorted(engines * len(sizes))


@pytest.mark.docker
@pytest.mark.soak
def test_text_model_is_served_from_a_container(tmp_path: Path) -> None:
    swept(
        tmp_path, "docker", model=("text-cnn",), optimizer=("tflite",), batch=(1, 16), tokens=16, sandboxes=1, calls=1
    )  # fmt: skip


@pytest.mark.soak
def test_four_models_are_swept_through_three_engines(tmp_path: Path) -> None:
    """The whole sweep: 24 cells in two to eight minutes."""
    _, report = swept(
        tmp_path, model=("squeezenet", "mobilenet-v2", "resnet18", "bert-mini"),
        optimizer=("onnx", "openvino", "tflite"), batch=(1, 16), tokens=16, sandboxes=1, calls=2,
    )  # fmt: skip
    (conversions,) = (table for table in report.tables if table.name == "conversions")
    assert max(row["difference"] for row in conversions.rows) < 1e-4


@pytest.mark.soak
def test_compiled_model_is_served_where_the_compiler_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tvm", reason="needs: pip install apache-tvm==0.27.0 apache-tvm-ffi==0.1.14.post0")
    swept(tmp_path, model=("text-cnn",), optimizer=("tvm",), batch=(1, 16), tokens=16, sandboxes=1, calls=2)
