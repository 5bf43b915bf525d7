"""A plugin that fails where one function is concerned costs its cells, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.cli.running import raise_for
from sebsx.contracts.storage import Storage
from sebsx.errors import PluginError
from sebsx.model import PLUGIN_FAILED, Deployment, FunctionConfig, Package, Reply, RunStatus, Status
from sebsx.running import orchestrator
from sebsx.settings import Section, SettingsReader
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.handlers import FolderStorage
from sebsx.testing.later import LaterPlatform
from sebsx.testing.registries import registry_with
from sebsx_communication.experiment import Communication
from sebsx_communication.settings import CommunicationSettings
from sebsx_invocation_overhead.experiment import InvocationOverhead
from sebsx_invocation_overhead.settings import OverheadSettings
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from sebsx_local.backend import LocalPlatform
from sebsx_network.experiment import Network, NetworkSettings
from tests.orchestration import ECHO, Listener, run_spec, store_in
from tests.support import Write

SIZES = (128, 256, 512)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as store:
        yield store


class AtDeployment(FakePlatform):
    """Has a fault in `deploy`, for one size."""

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        if config.memory_mib == 256:
            raise KeyError("a fault of the plugin")
        return super().deploy(package, config)


class ReturnsNone(FakePlatform):
    """Forgets to return what it deployed, for one size."""

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        deployment = super().deploy(package, config)
        missing: Any = None
        return missing if config.memory_mib == 256 else deployment


class AtReplies(FakePlatform):
    """Exits when it is asked what a reply means, for one size."""

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply | None:
        self.memory_mib_called = deployment.config.memory_mib
        return super().invoke(deployment, payload, timeout_s)

    def status_of(self, reply: Reply) -> Status:
        if self.memory_mib_called == 256:
            raise SystemExit(1)
        return super().status_of(reply)


class AtColdStarts(FakePlatform):
    """Returns instead of raising, and raises instead of forcing a cold start, for one size."""

    def force_cold(self, deployment: Deployment) -> None:
        if deployment.config.memory_mib == 256:
            raise AssertionError("a fault of the plugin")
        super().force_cold(deployment)


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        (AtDeployment, "platform 'fake' of test 1: deploy() failed: KeyError: 'a fault of the plugin'"),
        (ReturnsNone, "platform 'fake' of test 1: deploy() returned None, not Deployment"),
        (AtReplies, "platform 'fake' of test 1: status_of() failed: SystemExit: 1"),
        (AtColdStarts, "platform 'fake' of test 1: force_cold() failed: AssertionError: a fault of the plugin"),
    ],
)
def test_cells_of_the_function_fail_and_the_run_goes_on(store: Store, platform: type[FakePlatform], told: str) -> None:
    spec = run_spec(memory_mib=SIZES, start=("cold",), repetitions=2)
    run = orchestrator.run(spec, registry_with(platform), store, Listener())
    assert run.status is RunStatus.FINISHED
    cells = {cell.factors["memory_mib"]: cell for cell in store.view(run.id).cells()}
    assert {size: str(cell.status) for size, cell in cells.items()} == {
        128: "finished", 256: "failed", 512: "finished",
    }  # fmt: skip
    assert cells[256].stop_reason == PLUGIN_FAILED
    assert (cells[256].error or "").startswith(told)
    with pytest.raises(PluginError, match="1 of 3 cells failed; plugin failed: platform 'fake' of test 1"):
        raise_for(run, list(cells.values()))
    assert all(resource.name.startswith("sebsx") for resource in store.resources(run.id))


class FailsOnce:
    """Has a fault in what it says of one reply, the fourth."""

    said = 0

    def status_of(self, reply: Reply) -> Status:
        type(self).said += 1
        if self.said == 4:
            raise ValueError("a fault of the plugin")
        return super().status_of(reply)  # type: ignore[misc]


class FakeOnce(FailsOnce, FakePlatform):
    pass


class LaterOnce(FailsOnce, LaterPlatform):
    name = "fake"


class LocalOnce(FailsOnce, LocalPlatform):
    name = "fake"


def perf_cost(**more: Any) -> orchestrator.RunSpec:
    return run_spec(start=("warm", "sequential"), repetitions=4, **more)


def load() -> orchestrator.RunSpec:
    settings = LoadSettings(benchmark=ECHO, burst=6, memory_mib=(128, 256))
    return orchestrator.RunSpec(Load(), settings, {"fake": FakeSettings()}, seed=1)


def network() -> orchestrator.RunSpec:
    settings = NetworkSettings(paths=("client", "storage"), sandboxes=2, round_trips=3, object_bytes=(1024,))
    return orchestrator.RunSpec(Network(), settings, {"fake": FakeSettings()}, seed=1)


def overhead() -> orchestrator.RunSpec:
    settings = OverheadSettings(
        sweeps=("payload",), payload_bytes=(1024, 4096), start=("warm",), repetitions=3, exchanges=2, max_exchanges=5
    )
    return orchestrator.RunSpec(InvocationOverhead(), settings, {"fake": FakeSettings()}, seed=1)


def communication() -> orchestrator.RunSpec:
    settings = CommunicationSettings(
        channels=("storage",), sizes=("1", "100"), rounds=2, round_trips=2, warmups=0, stream_messages=1
    )
    settings_of_local = (
        SettingsReader([], [Section("platform.fake", LocalPlatform.Settings)]).read("platform.fake").value
    )
    return orchestrator.RunSpec(Communication(), settings, {"fake": settings_of_local}, seed=1)


@pytest.mark.parametrize(
    ("platform", "asked"),
    [
        (FakeOnce, lambda: perf_cost(design="sequential")),
        (FakeOnce, lambda: perf_cost(design="rmit")),
        (LaterOnce, load),
        (FakeOnce, network),
        (FakeOnce, overhead),
        (LocalOnce, communication),
    ],
    ids=["perf-cost", "perf-cost rmit", "load", "network", "invocation-overhead", "communication"],
)
def test_one_fault_costs_one_cell(
    store: Store, platform: type[FakePlatform], asked: Callable[[], orchestrator.RunSpec]
) -> None:
    once = type(platform.__name__, (platform,), {})  # which has said nothing yet
    run = orchestrator.run(asked(), registry_with(once), store, Listener())
    assert run.status is RunStatus.FINISHED
    cells = store.view(run.id).cells()
    assert len(cells) >= 2
    failed = [cell for cell in cells if cell.status not in ("finished", "invalid")]  # a busy machine sends late
    assert [(cell.status, cell.stop_reason) for cell in failed] == [("failed", PLUGIN_FAILED)], failed
    assert "status_of() failed: ValueError: a fault of the plugin" in (failed[0].error or "")
    assert all(resource.state == "deleted" for resource in store.resources(run.id))


class BrokenStorage(FolderStorage):
    """What a platform hands out has a fault of its own."""

    def put(self, key: str, data: bytes) -> None:
        raise ZeroDivisionError("a fault of the storage")


class WithBrokenStorage(FakePlatform):
    def storage(self) -> Storage:
        return BrokenStorage(self.workdir / "broken")


def test_fault_of_what_a_platform_hands_out_costs_the_cells_that_use_it(store: Store, write_function: Write) -> None:
    storing = write_function(
        "storing",
        "def handler(event, context):\n    return 1\n",
        manifest='needs = ["storage"]\n',
        driver="def payload(parameters, rng, storage):\n    storage.put('a', b'1')\n    return {}\n",
    )
    spec = run_spec(benchmarks=(str(storing), ECHO), start=("cold",), repetitions=1)
    run = orchestrator.run(spec, registry_with(WithBrokenStorage), store, Listener())
    cells = {cell.factors["benchmark"]: cell for cell in store.view(run.id).cells()}
    assert {name: str(cell.status) for name, cell in cells.items()} == {"storing": "failed", "echo": "finished"}
    assert cells["storing"].stop_reason == PLUGIN_FAILED
    assert "put() failed: ZeroDivisionError: a fault of the storage" in (cells["storing"].error or "")
    assert all(resource.state == "deleted" for resource in store.resources(run.id))


def test_platform_that_cannot_be_made_ends_the_run_in_one_line(store: Store) -> None:
    class Unmakeable(FakePlatform):
        def __init__(self, *_arguments: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(PluginError, match=r"platform 'fake' of test 1: __init__\(\) failed: ZeroDivisionError"):
        orchestrator.run(run_spec(), registry_with(Unmakeable), store, Listener())
    assert store.runs() == []
