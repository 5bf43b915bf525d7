"""The experiment `function` keeps to the contract of experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.scene import Scene
from sebsx.model import Design
from sebsx.plugins import Registry
from sebsx.reading.services import Services
from sebsx.settings import Layer
from sebsx.testing.contexts import context_for
from sebsx.testing.contracts import ExperimentContract
from sebsx_aws.backend import AwsPlatform
from sebsx_aws.settings import AwsSettings
from sebsx_function.experiment import FunctionExperiment
from sebsx_function.settings import FunctionSettings
from sebsx_url.backend import UrlPlatform, UrlSettings

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


class TestFunction(ExperimentContract):
    @pytest.fixture
    def experiment(self) -> Experiment[Any]:
        return FunctionExperiment()

    @pytest.fixture
    def settings(self) -> FunctionSettings:
        return FunctionSettings(address="https://host/path", payload="1")

    @pytest.fixture
    def scene(self, sebsx_registry: Registry, tmp_path: Path) -> Scene:
        return Scene(sebsx_registry, {"url": UrlPlatform(UrlSettings(), context_for(UrlPlatform, tmp_path))})


@pytest.fixture
def aws(sebsx_registry: Registry, tmp_path: Path) -> Scene:
    return Scene(sebsx_registry, {"aws": AwsPlatform(AwsSettings(), context_for(AwsPlatform, tmp_path))})


def plan(scene: Scene, **settings: Any) -> Any:
    return FunctionExperiment().plan(scene, FunctionSettings(address=ARN, **settings))


def test_sweep_has_a_copy_for_each_size_architecture_and_start(aws: Scene) -> None:
    design = plan(aws, memory_mib=(128, 512), architectures=("x86_64", "arm64"))
    assert (len(design.cells), design.deployments, design.design) == (8, 8, Design.RMIT)
    assert {cell.factors["measured"] for cell in design.cells} == {"a copy"}
    assert all("123456789012" not in str(cell.factors) for cell in design.cells)


def test_inputs_share_a_function(aws: Scene, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(f'"{name}"')
    design = plan(aws, payload=f"{tmp_path / 'a.json'},{tmp_path / 'b.json'}", memory_mib=(128,))
    assert (len(design.cells), design.deployments) == (4, 2)


def test_as_it_is_there_is_one_warm_cell_and_in_place_is_sequential(aws: Scene) -> None:
    (cell,) = plan(aws).cells
    assert (cell.factors["start"], cell.factors["memory_mib"], cell.factors["measured"]) == ("warm", None, "as it is")
    changed = plan(aws, memory_mib=(128, 512), in_place=True)
    assert (len(changed.cells), changed.design) == (4, Design.SEQUENTIAL)


@pytest.mark.parametrize(("address", "platform"), [(ARN, ["aws"]), ("https://h/", ["url"]), ("HTTP://h/", ["url"])])
def test_platform_follows_from_the_address(sebsx_registry: Registry, address: str, platform: list[str]) -> None:
    assert list(FunctionExperiment().platforms(sebsx_registry, FunctionSettings(address=address))) == platform


APP = f"/subscriptions/{'0' * 36}/resourceGroups/g/providers/Microsoft.Web/sites/app/functions/f"


@pytest.mark.parametrize(
    ("platform", "address", "said"),
    [
        ("aws", ARN.replace("us-east-1", "eu-north-1"), {"region": "eu-north-1"}),
        ("aws-arm", ARN, {"region": "us-east-1"}),
        ("aws", "123456789012:function:f", {}),
        ("gcp", "projects/p/locations/europe-west1/functions/f", {"project": "p", "region": "europe-west1"}),
        ("gcp", "f", {}),
        ("azure", APP, {"subscription": "0" * 36}),
        ("azure", "app/f", {}),
        ("url", "https://h/", {}),
    ],
)
def test_address_says_where_its_function_is(
    sebsx_registry: Registry, platform: str, address: str, said: dict[str, str]
) -> None:
    chosen = sebsx_registry.platforms[platform]
    assert FunctionExperiment().settings_of(chosen, FunctionSettings(address=address)) == said


def test_region_of_an_arn_is_stronger_than_the_environment_and_weaker_than_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEBSX_PLATFORM__AWS__REGION", "eu-west-3")
    services, asked = Services(), Layer("command line", {"experiment.function.address": ARN})
    for assignments, region in (((), "us-east-1"), (("region=eu-north-1",), "eu-north-1")):
        spec = services.spec(FunctionExperiment, asked, assignments=assignments)
        assert spec.platforms["aws"].region == region
