"""The flow of a run: whatever fails, results are safe, the run is closed, and what is left is in the ledger."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import PlatformContext
from sebsx.errors import CredentialsError, DeployError, PlatformError, UnknownNameError, UserError
from sebsx.model import (
    Capability,
    Deployment,
    FunctionConfig,
    Package,
    Problem,
    Resource,
    ResourceState,
    RunStatus,
    Severity,
)
from sebsx.plugins import Registry
from sebsx.running import cleaning, orchestrator
from sebsx.settings import Section, SettingsReader
from sebsx.store import Store, current_owner
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_perf_cost.experiment import PerfCost
from tests.orchestration import Listener, run_spec, store_in


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


class Clinging(FakePlatform):
    """Cannot delete functions as long as `clings`."""

    clings = True

    def teardown(self, deployment: Deployment) -> None:
        if self.clings:
            raise PlatformError("the provider is busy; try again later")
        super().teardown(deployment)

    def remove(self, resource: Resource) -> None:
        if self.clings:
            raise RuntimeError("a fault of the plugin itself")


def leftovers(store: Store, registry: Registry, runs: Collection[str] = ()) -> cleaning.Leftovers:
    sections = [Section(f"platform.{name}", cls.Settings) for name, cls in registry.platforms.items()]
    return cleaning.find(store, registry, SettingsReader([], sections), runs=runs)


def test_teardown_that_fails_is_warned_of_and_left_to_clean(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, listener = registry_with(Clinging), Listener()
    run = orchestrator.run(run_spec(), registry, store, listener)
    assert run.status is RunStatus.FINISHED
    assert sum(store.counts(run.id).values()) == 4  # a warm-up and three measured
    (resource,) = store.resources(run.id)
    assert resource.kind == "function"
    assert any("could not be torn down: the provider is busy" in text and "sebsx clean" in text
               for text in listener.warnings)  # fmt: skip

    mine = [found for found in leftovers(store, registry).resources if found.platform == "fake"]
    assert [found.name for found in mine] == [resource.name]
    outcomes = cleaning.remove(replace(leftovers(store, registry), resources=mine), store)
    assert [outcome.failed for outcome in outcomes] == [True]
    assert "platform 'fake' of test 1: remove() failed: RuntimeError: a fault of the plugin itself" in outcomes[0].text
    assert store.resources(run.id) != []

    monkeypatch.setattr(Clinging, "clings", False)
    outcomes = cleaning.remove(replace(leftovers(store, registry), resources=mine), store)
    assert [outcome.failed for outcome in outcomes] == [False]
    assert store.resources(run.id) == []


@pytest.mark.slow
def test_what_a_run_left_is_removed_where_that_run_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class There(Clinging):
        def remove(self, resource: Resource) -> None:
            asked.append(self.settings.record_delay_polls)

    monkeypatch.setattr(There, "remove", Clinging.remove)
    registry = registry_with(There)
    for polls in (1, 2):  # two runs with settings of their own, such as the profile of another account
        orchestrator.run(run_spec({"fake": FakeSettings(record_delay_polls=polls)}), registry, store, Listener())
    monkeypatch.undo()
    found = leftovers(store, registry)
    outcomes = cleaning.remove(
        replace(found, resources=[item for item in found.resources if item.platform == "fake"]), store
    )
    assert [outcome.text for outcome in outcomes] == ["deleted", "deleted"]
    assert sorted(asked) == [1, 2]


def test_platform_that_cannot_be_asked_for_orphans_keeps_no_other(store: Store) -> None:
    orphan = Resource(
        "function", "f", platform="fake", run_id="01RUN", region="", provider_id="", state=ResourceState.CREATED
    )

    class Mute(FakePlatform):
        name = "mute"

        def orphans(self) -> Sequence[Resource]:
            raise CredentialsError("no credentials were found; log in")

    class Asked(FakePlatform):
        def orphans(self) -> Sequence[Resource]:
            return [orphan]

    found = leftovers(store, registry_with(Mute, Asked))
    assert orphan in found.resources
    assert [str(failure) for failure in found.failures] == ["no credentials were found; log in"]


def test_deployment_that_fails_half_way_is_removed_by_the_ledger(store: Store) -> None:
    removed: list[str] = []

    class HalfWay(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            with self.ledger.creating("role", f"{config.name}-role"):
                pass
            with self.ledger.creating("function", config.name) as creation:
                creation.provider_id = "arn:half"
                raise DeployError("the role is not there yet")

        def remove(self, resource: Resource) -> None:
            removed.append(resource.kind)

    run = orchestrator.run(run_spec(), registry_with(HalfWay), store, Listener())
    assert removed == ["function", "role"]  # the newest first: what is undone last is what was there at first
    assert store.resources(run.id) == []
    assert [cell.stop_reason for cell in store.view(run.id).cells()] == ["not deployed"]


@pytest.mark.parametrize("hook", ["sebsx_run_started", "sebsx_invocations_stored", "sebsx_run_finished"])
def test_plugin_that_fails_when_told_does_not_end_the_run(store: Store, hook: str) -> None:
    heard: list[str] = []

    def fail(run):
        heard.append(run.id)
        raise LookupError("a fault of the plugin")

    run = orchestrator.run(run_spec(), registry_with(FakePlatform, **{hook: fail}), store, Listener())
    assert run.status is RunStatus.FINISHED
    assert set(heard) == {run.id}
    assert sum(store.counts(run.id).values()) == 4


class Bursting(PerfCost):
    """Measures and then fails with what a test gives it."""

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def run(self, session: Any, settings: Any) -> None:
        super().run(session, settings)
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (KeyboardInterrupt(), RunStatus.INTERRUPTED, "interrupted by the user"),
        (PlatformError("the region is gone"), RunStatus.FAILED, "PlatformError: the region is gone"),
        (ZeroDivisionError("a fault of the experiment"), RunStatus.FAILED, "ZeroDivisionError: a fault of the exp"),
    ],
)
def test_run_that_ends_badly_is_closed_torn_down_and_kept(
    store: Store, fault: BaseException, status: RunStatus, error: str
) -> None:
    wanted = replace(run_spec(), experiment=Bursting(fault))
    with pytest.raises(type(fault)):
        orchestrator.run(wanted, registry_with(FakePlatform), store, Listener())
    (run,) = store.runs()
    assert run.status is status
    assert (run.error or "").startswith(error)
    assert sum(store.counts(run.id).values()) == 4
    assert store.resources() == []
    assert list(orchestrator.work_root().iterdir()) == []


def test_run_that_a_platform_ended_is_gone_on_with(store: Store) -> None:
    registry, fault = registry_with(FakePlatform), PlatformError("the region is gone")
    with pytest.raises(PlatformError):
        orchestrator.run(replace(run_spec(), experiment=Bursting(fault)), registry, store, Listener())
    (failed,) = store.runs()
    wanted = run_spec(memory_mib=(128, 256))  # the first of them is measured
    resumed = orchestrator.run(replace(wanted, resume=failed.id), registry, store, Listener())
    assert (resumed.id, resumed.status, resumed.error) == (failed.id, RunStatus.FINISHED, None)
    cells = store.view(failed.id).cells()
    assert [(cell.factors["memory_mib"], cell.status) for cell in cells] == [(128, "finished"), (256, "finished")]
    assert [sum(store.counts(failed.id, cell.id).values()) for cell in cells] == [4, 4]


def test_platform_is_given_the_run_whatever_its_folder_is_called(store: Store) -> None:
    given: list[PlatformContext] = []

    class Given(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            given.append(self.context)
            raise PlatformError("the region is gone")

    registry = registry_with(Given)
    with pytest.raises(PlatformError):
        orchestrator.run(run_spec(), registry, store, Listener())
    (failed,) = store.runs()
    with pytest.raises(PlatformError):
        orchestrator.run(replace(run_spec(), resume=failed.id), registry, store, Listener())
    first, resumed = given
    assert first.run_id == resumed.run_id == first.tags["sebsx-run"] == resumed.tags["sebsx-run"] == failed.id
    assert first.workdir.parent.name == failed.id
    assert resumed.workdir.parent.name == f"{failed.id}.{os.getpid()}"
    assert first.attempt == ""
    assert len(resumed.attempt) == 6
    assert timedelta(hours=23) < first.expires_at - datetime.now(UTC) <= timedelta(hours=24)


def test_platform_cannot_be_changed_by_whoever_made_it(tmp_path: Path) -> None:
    platform = FakePlatform(FakeSettings(), context_for(FakePlatform, tmp_path))
    for name in ("ledger", "workdir"):
        with pytest.raises(AttributeError):
            setattr(platform, name, None)


@pytest.mark.parametrize("elsewhere", [{"pid_namespace": "pid:[1]"}, {"host": "elsewhere"}])
def test_folder_of_a_process_that_cannot_be_asked_is_left_alone_while_it_is_young(
    store: Store, elsewhere: dict[str, str]
) -> None:
    folder = orchestrator.work_root() / "01JZ0000000000000000000009"
    folder.mkdir(parents=True)
    owner = {**current_owner(), "pid": 1, "process_started": "1", **elsewhere}
    (folder / orchestrator.OWNER_FILE).write_text(json.dumps(owner), encoding="utf-8")
    registry = registry_with(FakePlatform)
    assert [found.name for found in leftovers(store, registry).resources if found.kind == "workdir"] == []
    week_ago_s = time.time() - 8 * 24 * 3600
    os.utime(folder, (week_ago_s, week_ago_s))
    found = [found for found in leftovers(store, registry).resources if found.kind == "workdir"]
    assert [(resource.name, resource.run_id) for resource in found] == [(folder.name, folder.name)]


def test_folders_of_a_run_that_is_named_are_among_what_it_left(store: Store) -> None:
    dead = json.dumps({**current_owner(), "process_started": "1"})
    for name in ("01JZ0000000000000000000001", "01JZ0000000000000000000001.77", "01JZ0000000000000000000002"):
        folder = orchestrator.work_root() / name
        folder.mkdir(parents=True)
        (folder / orchestrator.OWNER_FILE).write_text(dead, encoding="utf-8")
    found = leftovers(store, registry_with(FakePlatform), runs=["01JZ0000000000000000000001"]).resources
    assert [item.name for item in found] == ["01JZ0000000000000000000001", "01JZ0000000000000000000001.77"]


def test_platform_that_cannot_be_closed_does_not_keep_the_next_open(store: Store) -> None:
    closed: list[str] = []

    class First(FakePlatform):
        def __exit__(self, *_exc: object) -> None:
            closed.append("first")

    class Second(FakePlatform):
        name = "second"

        def __exit__(self, *_exc: object) -> None:
            closed.append("second")
            raise PlatformError("the connection is gone")

    wanted = run_spec({"fake": FakeSettings(), "second": FakeSettings()})
    listener = Listener()
    run = orchestrator.run(wanted, registry_with(First, Second), store, listener)
    assert closed == ["second", "first"]
    assert "platform 'second' could not be closed: the connection is gone (sebsx clean)" in listener.warnings
    assert run.status is RunStatus.FINISHED
    assert sum(store.counts(run.id).values()) == 8


@pytest.mark.parametrize("severity", list(Severity))
def test_problem_of_a_platform_stops_or_warns_before_anything_is_stored(store: Store, severity: Severity) -> None:
    class Troubled(FakePlatform):
        def check(self) -> list[Problem]:
            return [Problem("the quota is nearly used up", advice="ask for more", severity=severity)]

    listener = Listener()
    told = "platform 'fake': the quota is nearly used up; ask for more"
    if severity is Severity.ERROR:
        with pytest.raises(PlatformError, match=told):
            orchestrator.run(run_spec(), registry_with(Troubled), store, listener)
        assert store.runs() == []
    else:
        orchestrator.run(run_spec(), registry_with(Troubled), store, listener)
        assert told in listener.warnings


def test_need_that_a_platform_lacks_is_told_before_anything_is_done(store: Store) -> None:
    class Needing(PerfCost):
        needs = frozenset({Capability.KEEP_ALIVE_POLICY})

    with pytest.raises(UserError, match="needs keep-alive-policy; 'fake' has none"):
        orchestrator.run(replace(run_spec(), experiment=Needing()), registry_with(FakePlatform), store, Listener())
    assert store.runs() == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"language": "pyhton"}, "language 'pyhton' is not known; did you mean 'python'"),
        ({"architectures": ("x86",)}, "architecture 'x86' is not known; did you mean 'x86_64'"),
    ],
)
def test_name_that_exists_nowhere_is_told_by_the_plan(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UnknownNameError, match=told):
        orchestrator.plan(run_spec(**settings), registry_with(FakePlatform))


class Profiling(PerfCost):
    """Takes its samples from a collector."""

    collectors = ("saaf", "process")


def test_collectors_of_an_experiment_go_with_those_asked_for(store: Store) -> None:
    spec = replace(run_spec(), experiment=Profiling(), collectors=("process",))

    run = orchestrator.run(spec, registry_with(FakePlatform), store, Listener())

    assert run.settings["collectors"] == ["process", "saaf"]


def test_collector_that_an_experiment_needs_and_nobody_brings_is_told_before_anything_runs(store: Store) -> None:
    class Asking(PerfCost):
        collectors = ("saff",)

    with pytest.raises(UnknownNameError, match="collector 'saff' is not known; did you mean 'saaf'"):
        orchestrator.run(replace(run_spec(), experiment=Asking()), registry_with(FakePlatform), store, Listener())
    assert not store.runs()
