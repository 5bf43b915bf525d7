"""Platforms that are not one HTTP call: those that answer later, and those that take one call at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.runs import RunView
from sebsx.errors import UnsupportedError
from sebsx.model import Deployment, Kind, RunStatus, Status, descriptors
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.later import LaterPlatform
from sebsx.testing.registries import registry_with
from sebsx_eviction.experiment import Eviction
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from tests.orchestration import ECHO, Listener, run_spec, store_in


class OneByOne(FakePlatform):
    """Says the truth of a platform with an `invoke` of its own."""

    one_at_a_time = True


@pytest.fixture(autouse=True)
def _home(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


def loaded(platform: str, **settings: Any) -> RunSpec:
    return RunSpec(Load(), LoadSettings(benchmark=ECHO, **settings), {platform: FakeSettings()}, seed=1)


def measured(store: Store, spec: RunSpec) -> RunView:
    run = orchestrator.run(spec, registry_with(LaterPlatform), store, Listener())
    assert run.status is RunStatus.FINISHED
    return store.view(run.id)


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        lambda: run_spec({"later": FakeSettings()}, start=("burst",), burst_size=5, repetitions=10),
        lambda: run_spec({"later": FakeSettings()}, start=("warm",), concurrency=2, repetitions=10),
        lambda: loaded("later", rate="20", duration="0.5s"),
    ],
    ids=["burst", "users", "open loop"],
)
def test_platform_that_answers_later_is_measured_as_others_are(store: Store, asked: Callable[[], RunSpec]) -> None:
    view = measured(store, asked())
    calls = list(view.invocations(kind=Kind.MEASURED))
    assert len(calls) >= 10
    assert {call.status for call in calls} == {Status.OK}
    for call in calls:
        assert call.accepted_s is not None
        assert call.client_sent_s < call.accepted_s <= call.client_done_s
        assert call.polls >= 1
        assert call.attempts == 1
    assert {call.provider_duration_s is not None for call in calls} == {True}  # found by the platform's own id


@pytest.mark.slow
def test_burst_on_a_platform_that_answers_later_leaves_at_once(store: Store) -> None:
    spec = run_spec({"later": FakeSettings()}, start=("burst",), burst_size=10, repetitions=10)
    bursts: dict[int, list[Any]] = {}
    for call in measured(store, spec).invocations(kind=Kind.MEASURED):
        bursts.setdefault(call.batch, []).append(call)
    for calls in bursts.values():
        assert max(call.client_sent_s for call in calls) < min(call.client_done_s for call in calls)


@pytest.mark.parametrize(
    "asked",
    [
        lambda: run_spec(start=("burst",)),
        lambda: run_spec(start=("warm",), concurrency=2),
        lambda: loaded("fake", rate="5", duration="1s"),
        lambda: loaded("fake", users=2, duration="1s"),
        lambda: RunSpec(Eviction(), Eviction.Settings(), {"fake": FakeSettings()}),
    ],
    ids=["burst", "users", "open loop", "crowd", "eviction"],
)
def test_plan_tells_what_a_platform_that_takes_one_call_at_a_time_cannot_do(asked: Callable[[], RunSpec]) -> None:
    plan = orchestrator.plan(asked(), registry_with(OneByOne))
    assert {"takes one call after the other" in (cell.unsupported or "") for cell in plan.cells} == {True}
    assert any("unsupported: platform 'fake' takes one call after the other" in note for note in plan.notes)


@pytest.mark.slow
def test_only_cells_of_the_platform_that_takes_one_call_at_a_time_are_unsupported(store: Store) -> None:
    spec = run_spec(
        {"fake": FakeSettings(), "later": FakeSettings()}, start=("sequential", "burst"), burst_size=5, repetitions=5
    )
    registry = registry_with(OneByOne, LaterPlatform)
    run = orchestrator.run(spec, registry, store, Listener())
    assert run.status is RunStatus.FINISHED
    found = {(cell.factors["platform"], cell.factors["start"]): cell for cell in store.view(run.id).cells()}
    assert {key: cell.status for key, cell in found.items()} == {
        ("fake", "sequential"): "finished", ("fake", "burst"): "unsupported",
        ("later", "sequential"): "finished", ("later", "burst"): "finished",
    }  # fmt: skip
    assert "takes one call after the other" in (found["fake", "burst"].error or "")


@pytest.mark.parametrize("start", ["cold", "warm", "sequential"])
def test_plan_takes_one_user_there(start: str) -> None:
    assert orchestrator.plan(run_spec(start=(start,)), registry_with(OneByOne)).cells


def test_session_refuses_what_no_plan_told(store: Store) -> None:
    class Sly(OneByOne):
        """Says it only when it is asked to call."""

        def deploy(self, package: Any, config: Any) -> Deployment:
            type(self).one_at_a_time = True
            return super().deploy(package, config)

    Sly.one_at_a_time = False
    with pytest.raises(UnsupportedError, match="takes one call after the other"):
        orchestrator.run(run_spec(start=("burst",), repetitions=10), registry_with(Sly), store, Listener())
    (run,) = store.runs()
    assert not list(store.view(run.id).invocations())


def test_plan_tells_of_more_calls_than_this_machine_can_have_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "most", lambda: 256)
    plan = orchestrator.plan(loaded("fake", rate="100", duration="60s"), registry_with(FakePlatform))
    assert any("up to 1000 calls are in flight" in note and "256 open files here" in note for note in plan.notes)
    plan = orchestrator.plan(loaded("fake", burst=100), registry_with(FakePlatform))
    assert not any("open files" in note for note in plan.notes)
