"""One function in the wrapper of every platform: the same region is timed, and the envelope says the same.

What a wrapper may add is evidence of how its sandbox came to be; everything else is the shim's, which all share.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.contracts.platforms import Platform
from sebsx.plugins import Registry
from sebsx.testing.contexts import context_for
from sebsx.testing.contracts import trying
from sebsx.testing.invoking import invoke
from sebsx_docker.backend import DockerPlatform
from sebsx_docker.settings import DockerSettings
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from tests.emulated_aws import EmulatedAccount
from tests.emulated_azure import EmulatedSubscription
from tests.emulated_gcp import EmulatedProject
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.platforms.aws import conftest as on_aws
from tests.platforms.azure import conftest as on_azure
from tests.platforms.docker import conftest as on_docker
from tests.platforms.gcp import conftest as on_gcp
from tests.platforms.openfaas import conftest as on_openfaas
from tests.platforms.openwhisk import conftest as on_openwhisk

# The fixtures.
one_account, account = on_aws.one_account, on_aws.account
one_subscription, subscription = on_azure.one_subscription, on_azure.subscription
one_project, project = on_gcp.one_project, on_gcp.project
one_whisk, whisk = on_openwhisk.one_whisk, on_openwhisk.whisk
one_gateway, gateway = on_openfaas.one_gateway, on_openfaas.gateway
needs_engine = on_docker.needs_engine

PYTHON = """
import time

time.sleep(0.05)
LOADED_S = time.time()


def handler(event, context):
    entered_s = time.time()
    with context.phase("first"):
        time.sleep(0.02)
    for _ in range(2):
        with context.phase("second"):
            time.sleep(0.01)
    if event.get("fail"):
        raise KeyError("by intent")
    seen = {"memory": context.memory_mib, "timeout": context.timeout_s, "id": bool(context.request_id)}
    seen["in time"] = 0 < context.remaining_s() <= context.timeout_s
    return {"seen": seen, "moments": [LOADED_S, entered_s, time.time()]}
"""
NODEJS = """
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = Date.now() + 50;
while (Date.now() < until);
const LOADED_S = Date.now() / 1000;
class KeyError extends Error {}

exports.handler = async (event, context) => {
  const enteredS = Date.now() / 1000;
  await context.phase('first', () => sleep(20));
  for (let time = 0; time < 2; time += 1) await context.phase('second', () => sleep(10));
  if (event.fail) throw new KeyError('by intent');
  const seen = { memory: context.memoryMib, timeout: context.timeoutS, id: Boolean(context.requestId) };
  seen['in time'] = context.remainingS() > 0 && context.remainingS() <= context.timeoutS;
  return { seen, moments: [LOADED_S, enteredS, Date.now() / 1000] };
};
"""
CODE = {"python": ("function.py", PYTHON), "nodejs": ("function.js", NODEJS)}
MANIFEST = (
    'name = "timed"\nversion = "1"\nsummary = "of a test"\n[languages.{language}]\nhandler = "function.handler"\n'
)
# What wrappers add to the envelope of a first call: evidence of how the sandbox came to be.
EVIDENCE = {"initialization", "init_gap_s"}
TIMER_S = 0.002  # timers of Node.js count in whole milliseconds, and wall clocks are read in them
Told = dict[str, Any]


@pytest.fixture
def platforms(
    account: EmulatedAccount,
    project: EmulatedProject,
    subscription: EmulatedSubscription,
    whisk: EmulatedOpenWhisk,
    gateway: EmulatedOpenFaas,
    tmp_path: Path,
) -> dict[str, Platform[Any]]:
    """Every platform that needs no Docker engine, not yet open."""
    local = LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path / "local"))
    return {
        "local": local,
        "aws": on_aws.made(tmp_path),
        "aws by URL": on_aws.made(tmp_path, options={"trigger": "url"}),
        "azure": on_azure.made(tmp_path, subscription),
        "gcp": on_gcp.made(tmp_path, project),
        "openwhisk": on_openwhisk.made(tmp_path, whisk),
        "openfaas": on_openfaas.made(tmp_path, gateway),
    }


@pytest.fixture
def timed(sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path) -> Callable[[Platform[Any], str], Told]:
    """Return a caller of the function on a platform: what it says, without what differs from call to call."""

    def call(platform: Platform[Any], language: str) -> Told:
        folder, (file, code) = tmp_path / f"timed-{language}", CODE[language]
        if not folder.exists():
            (folder / language).mkdir(parents=True)
            (folder / language / file).write_text(code)
            (folder / "benchmark.toml").write_text(MANIFEST.format(language=language))
        with platform:
            written_in = sebsx_registry.get("languages", language)()
            target = platform.target(language, platform.architectures[0])
            package = sebsx_packager.build(benchmarks.load(folder), written_in, target, platform=platform)
            config = trying.config(platform)
            deployment = platform.deploy(package, config)
            events = ({}, {}, {"fail": True})
            answers = [(invoke(platform, deployment, event).envelope or {}) for event in events]
            platform.teardown(deployment)
        for answer in answers[:2]:
            assert answer["output"]["seen"].pop("memory") == config.memory_mib
            assert answer["output"]["seen"].pop("timeout") == config.timeout_s
            holds_the_handler_and_nothing_else(answer["sebsx"], answer["output"].pop("moments"))
        assert answers[0]["sebsx"]["import_s"] >= 0.05 - TIMER_S  # what the module does is no part of a call
        return essence(answers)

    return call


def holds_the_handler_and_nothing_else(told: Told, moments: list[float]) -> None:
    """Hold that the timed region begins after the import, and has the handler with its phases within it."""
    loaded_s, entered_s, left_s = moments
    assert loaded_s - TIMER_S <= told["started_s"] <= entered_s + TIMER_S
    assert left_s - TIMER_S <= told["finished_s"]
    first_s, second_s = (told["samples"][f"phase.{name}_s"] for name in ("first", "second"))
    assert first_s >= 0.02 - TIMER_S
    assert second_s >= 0.02 - 2 * TIMER_S  # both times together
    assert first_s + second_s <= told["duration_s"] + TIMER_S
    assert abs(told["finished_s"] - told["started_s"] - told["duration_s"]) < TIMER_S


def essence(answers: list[Told]) -> Told:
    """Return which fields, samples and facts there are, and what of them does not depend on time or place."""
    told = [answer["sebsx"] for answer in answers]
    return {
        "parts": [sorted(answer) for answer in answers],
        "fields": [sorted(item.keys() - EVIDENCE) for item in told],
        "samples": [sorted(item["samples"]) for item in told],
        "facts": sorted(told[0]["facts"]),
        "calls": [item["call"] for item in told],
        "sandboxes": len({item["sandbox"] for item in told}),
        "output": answers[1]["output"],
        "error": {key: answers[2]["error"][key] for key in ("type", "message")},
        "frames": [word in answers[2]["error"]["traceback"] for word in ("function.", "sebsx_runtime")],
    }


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("language", ["python", pytest.param("nodejs", marks=pytest.mark.network)])
def test_every_wrapper_times_the_same_and_says_the_same(
    platforms: dict[str, Platform[Any]], timed: Callable[[Platform[Any], str], Told], language: str
) -> None:
    told = {name: timed(platform, language) for name, platform in platforms.items()}
    assert told["local"]["output"] == {"seen": {"id": True, "in time": True}}
    assert told["local"]["calls"] == [1, 2, 3]
    assert told["local"]["frames"] == [True, False]  # the user's frames alone
    assert {name: item for name, item in told.items() if item != told["local"]} == {}


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("language", ["python", "nodejs"])
def test_container_times_the_same_and_says_the_same(
    needs_engine: None, timed: Callable[[Platform[Any], str], Told], tmp_path: Path, language: str
) -> None:
    docker = DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path / "docker"))
    local = LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path / "local"))
    assert timed(docker, language) == timed(local, language)
