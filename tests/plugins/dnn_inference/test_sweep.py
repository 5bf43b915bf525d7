"""Real models through real engines in real sandboxes: what a user's sweep does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.model import CellStatus
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.registries import registry_with
from sebsx_dnn_inference.analyzer import DnnAnalyzer, DnnAnalyzerSettings
from sebsx_dnn_inference.experiment import DIFFERENCE, DnnInference
from sebsx_dnn_inference.settings import DnnSettings
from tests.orchestration import Listener, store_in
from tests.plugins.delays import home

__all__ = ["home"]
pytestmark = [
    pytest.mark.network, pytest.mark.slow, pytest.mark.usefixtures("home"), pytest.mark.timeout(480),
]  # fmt: skip


def swept(tmp_path: Path, models: tuple[str, ...], engines: tuple[str, ...], platform: str = "local") -> None:
    """Serve models by engines at batch 1 and 16, and hold that each cell was measured and answered alike."""
    settings = DnnSettings(model=models, optimizer=engines, batch=(1, 16), tokens=16, sandboxes=1, calls=2)
    registry = registry_with()
    with store_in(tmp_path) as store:
        spec = RunSpec(DnnInference(), settings, {platform: registry.platforms[platform].Settings()}, seed=1)
        view = store.view(orchestrator.run(spec, registry, store, Listener()).id)
        cells = list(view.cells())
        report = DnnAnalyzer().analyze([view], DnnAnalyzerSettings())
        differences = [value.value for value in view.values() if value.metric == DIFFERENCE]
    assert len(cells) == 2 * len(models) * len(engines)
    assert [cell.error for cell in cells if cell.status is not CellStatus.FINISHED] == []
    assert len(differences) == len(cells)
    assert max(value or 0.0 for value in differences) < 1e-4
    assert len(report.tables[0].rows) == len(cells)


def test_texts_are_read_in_windows_by_engines_that_convert(tmp_path: Path) -> None:
    """Four cells on two functions; items without a text are what planted engines and the other sweeps serve."""
    sizes = (10, 10_000)
    settings = DnnSettings(
        model=("text-cnn",),
        optimizer=("openvino", "onnx-shared"),
        batch=(1,),
        text_bytes=sizes,
        sandboxes=1,
        calls=1,
    )
    registry = registry_with()
    with store_in(tmp_path) as store:
        spec = RunSpec(DnnInference(), settings, {"local": registry.platforms["local"].Settings()}, seed=1)
        view = store.view(orchestrator.run(spec, registry, store, Listener()).id)
        cells = list(view.cells())
        report = DnnAnalyzer().analyze([view], DnnAnalyzerSettings())
    assert [cell.error for cell in cells if cell.status is not CellStatus.FINISHED] == []
    assert len(cells) == len(report.tables[0].rows) == 4
    (figure,) = (figure for figure in report.figures if figure.name == "text-size")
    assert [[x for x, _ in points] for points in figure.series.values()] == [list(sizes)] * 2


@pytest.mark.docker
@pytest.mark.soak
def test_text_model_is_served_from_a_container(tmp_path: Path) -> None:
    swept(tmp_path, ("bert-mini",), ("tflite",), platform="docker")


@pytest.mark.soak
def test_four_models_are_swept_through_three_engines(tmp_path: Path) -> None:
    """The whole sweep: 24 cells in two to eight minutes."""
    swept(tmp_path, ("squeezenet", "mobilenet-v2", "resnet18", "bert-mini"), ("onnx", "openvino", "tflite"))


@pytest.mark.soak
def test_compiled_model_is_served_where_the_compiler_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tvm", reason="needs: pip install apache-tvm==0.27.0 apache-tvm-ffi==0.1.14.post0")
    swept(tmp_path, ("text-cnn",), ("tvm",))
