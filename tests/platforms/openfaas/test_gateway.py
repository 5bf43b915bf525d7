"""What is sent to a gateway is held to the official contract, and functions as packaged to that of of-watchdog."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.model import FunctionConfig, Status
from sebsx.plugins import Registry
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_openfaas import functions
from tests import official
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.emulated_openfaas.gateway import CONTRACT
from tests.platforms.openfaas.conftest import made

POST = ("POST", "/system/functions", "")
NODEJS = """
exports.handler = async (event) => {
  if (event.do === 'raise') throw new TypeError('by intent');
  if (event.do === 'sleep') await new Promise((done) => setTimeout(done, event.value * 1000));
  return { result: event.value };
};
"""


@pytest.fixture(scope="module")
def contract() -> official.Official:
    """The official contract."""
    path = official.find(CONTRACT)
    if path is None:
        pytest.skip(official.MISSING.format(name=CONTRACT))
    return official.Official(path)


def document() -> dict[str, Any]:
    config = FunctionConfig("f", memory_mib=256, timeout_s=2.5, architecture="x86_64")
    options = {"sandbox_concurrency": 2, "max_instances": 3, "min_instances": 1, "vcpu": 0.5}
    return functions.document_of(
        "f", "registry.example/sebsx:1", config, options, environment={}, tags={"sebsx-run": "R"}, secrets=["s"]
    )


def test_what_is_sent_keeps_to_the_contract(contract: official.Official) -> None:
    assert contract.request_fault(*POST, document()) is None
    assert contract.request_fault("POST", "/system/secrets", "", {"name": "s", "value": "v"}) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), "f"),
        (("limits", "memory"), 256),
        (("limits", "memoryMib"), "256"),
        (("limits", "cpu"), 0.5),
        (("envVars", "A"), 1),
        (("labels", "com.openfaas.scale.min"), 1),
        (("secrets",), "s"),
        (("image",), None),
    ],
)
def test_wrong_key_or_type_is_caught(contract: official.Official, path: tuple[str, ...], value: Any) -> None:
    wrong = copy.deepcopy(document())
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert contract.request_fault(*POST, wrong) is not None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/system/functions", {}),
        ("POST", "/system/function", {}),
        ("POST", "/system/scale-function/f", {"serviceName": "f", "namespace": "n", "replicas": "2"}),
        ("POST", "/system/scale-function/f", {"serviceName": "f", "replicas": 2}),
        ("DELETE", "/system/functions", {"name": "f"}),
        ("POST", "/system/secrets", {"name": "s", "values": "v"}),
    ],
)
def test_wrong_method_path_or_body_is_caught(contract: official.Official, method: str, path: str, body: Any) -> None:
    assert contract.request_fault(method, path, "", body) is not None


def test_wrong_answer_is_caught(contract: official.Official) -> None:
    read, right = ("GET", "/system/function/f"), {"name": "f", "image": "i"}
    assert contract.answer_fault(*read, 200, right) is None
    assert contract.answer_fault(*read, 200, {**right, "ready": True}) is not None
    assert contract.answer_fault(*read, 200, {**right, "replicas": "1"}) is not None
    assert contract.answer_fault(*read, 200, {"name": "f"}) is not None
    assert contract.answer_fault(*read, 418, right) is not None


@pytest.mark.parametrize(
    ("text", "number"),
    [("128Mi", 128 * 2**20), ("1Gi", 2**30), ("500m", 0.5), ("0.5", 0.5), ("128M", 128e6), ("much", None), (5, None)],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: Any, number: float | None) -> None:
    assert functions.quantity(text) == number


def test_counts_that_are_left_out_are_0() -> None:
    assert functions.replicas_of({"name": "f"}) == 0
    assert functions.effective_of({"name": "f"})["min_instances"] == 0


@pytest.mark.slow
def test_node_js_functions_run_as_python_ones_do(
    gateway: EmulatedOpenFaas, sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path
) -> None:
    folder = tmp_path / "nodes"
    (folder / "nodejs").mkdir(parents=True)
    (folder / "nodejs" / "index.js").write_text(NODEJS)
    (folder / "benchmark.toml").write_text(
        'name = "nodes"\nversion = "1"\nsummary = "of a test"\n[languages.nodejs]\nhandler = "index.handler"\n'
    )
    with made(tmp_path, gateway) as platform:
        language, target = sebsx_registry.get("languages", "nodejs")(), platform.target("nodejs", "x86_64")
        package = sebsx_packager.build(benchmarks.load(folder), language, target, platform=platform)
        deployment = platform.deploy(
            package, FunctionConfig("n", memory_mib=256, timeout_s=10.0, architecture="x86_64")
        )
        first = invoke(platform, deployment, {"value": "ü"})
        assert first.output == {"result": "ü"}
        assert first.envelope is not None
        assert first.envelope["sebsx"]["call"] == 1
        failed = invoke(platform, deployment, {"do": "raise"})
        assert failed.status is Status.FUNCTION_ERROR
        assert failed.envelope is not None
        assert failed.envelope["error"]["type"] == "TypeError"
        answers = invoke_together(platform, deployment, {"do": "sleep", "value": 0.3}, 4)
        assert [answer.status for answer in answers] == [Status.OK] * 4
        platform.teardown(deployment)
