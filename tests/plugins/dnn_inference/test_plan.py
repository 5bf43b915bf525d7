"""What a plan says before anything is converted: cost, and which packages no zip takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.registries import registry_with
from sebsx_aws.settings import AwsSettings
from sebsx_dnn_inference.experiment import DnnInference
from sebsx_dnn_inference.settings import PRESETS, DnnSettings
from tests.orchestration import store_in


def planned(tmp_path: Path, **settings: object) -> orchestrator.Plan:
    asked = DnnSettings(batch=(1,), **settings)  # type: ignore[arg-type]
    platforms = {name: AwsSettings(region="us-east-1") for name in ("aws", "aws-arm")}
    with store_in(tmp_path) as store:
        return orchestrator.plan(RunSpec(DnnInference(), asked, platforms, seed=1), registry_with(), store)


def test_plan_of_two_architectures_has_a_cost_and_names_images(tmp_path: Path) -> None:
    plan = planned(tmp_path, model=("resnet18", "bert"), optimizer=("onnx", "quantised", "openvino", "vanilla"))
    assert {cell.factors["architecture"] for cell in plan.cells} == {"x86_64", "arm64"}
    priced = [cell for cell in plan.cells if cell.unsupported is None]
    assert len(priced) == 12
    assert all(cell.cost_usd for cell in priced)
    large = "openvino with resnet18 (304 MB), onnx with bert (580 MB), openvino with bert (693 MB)"
    for platform in ("aws", "aws-arm"):
        (note,) = [note for note in plan.notes if note.startswith(f"a zip on {platform} holds 262 MB")]
        assert note.endswith(large)


def test_model_that_comes_from_the_storage_is_no_part_of_a_package(tmp_path: Path) -> None:
    assert planned(tmp_path, model=("bert",), optimizer=("onnx",), model_source="storage").notes == ()


def test_cells_say_nothing_of_what_does_not_concern_their_model(tmp_path: Path) -> None:
    cells = planned(tmp_path, model=("squeezenet", "text-cnn"), optimizer=("onnx",)).cells
    assert {cell.factors["model"]: (cell.factors["tokens"], cell.factors["threads"]) for cell in cells} == {
        "squeezenet": (None, None),
        "text-cnn": (128, None),
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_plan_with_a_cost_on_both_architectures(tmp_path: Path, preset: str) -> None:
    cells = planned(tmp_path, preset=preset).cells
    chosen = DnnSettings(preset=preset).chosen
    expected = len(chosen.models) * len(chosen.optimizers) * len(chosen.texts)
    assert len(cells) == 2 * expected
    assert all(cell.cost_usd for cell in cells if cell.unsupported is None)
