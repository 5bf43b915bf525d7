"""Trials side by side on sandboxes that evict and fail as told: what is counted, what is void, what is repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.runs import RunView
from sebsx.errors import DeployError
from sebsx.model import CellStatus, Deployment, FunctionConfig, Kind, Package, RunStatus, StartType, Status
from sebsx.model.stored import StoredCell
from sebsx.running import orchestrator
from sebsx.running.limits import Limits
from sebsx.running.orchestrator import RunSpec
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_eviction.experiment import Eviction, EvictionSettings
from sebsx_eviction.trials import Trial, read_trials
from tests.orchestration import Listener, store_in
from tests.plugins.eviction.pond import IMPOSTOR, LOST, SHARED, SLOW, STRANGER, Pond, pond

pytestmark = pytest.mark.slow  # campaigns wait

# The burst that starts the sandboxes, the one that finds all of them warm, and the one after the idle time.
BURSTS = 3


@pytest.fixture(autouse=True)
def _home(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


def measure(
    store: Store,
    platform: type[FakePlatform],
    listener: Listener | None = None,
    status: RunStatus = RunStatus.FINISHED,
    records_wait_s: float = 0.0,
    **settings: Any,
) -> RunView:
    wanted = {"idle_s": (0.1,), "d_init": (2,), "repetitions": 1, "hold_s": (0.03,), **settings}
    request = RunSpec(
        Eviction(),
        EvictionSettings(**wanted),
        {platform.name: FakeSettings()},
        seed=1,
        limits=Limits(records_wait_s=records_wait_s),
    )
    run = orchestrator.run(request, registry_with(platform), store, listener or Listener())
    view = store.view(run.id)
    assert run.status is status, [item.error for item in view.invocations()]
    return view


def trials(view: RunView, cell: StoredCell | None = None) -> list[Trial]:
    cell = cell or view.cells()[0]
    return read_trials(view.invocations(cell_id=cell.id), cell.factors["d_init"])


def test_sandboxes_within_their_time_are_warm_and_later_ones_are_gone(store: Store) -> None:
    with pond(live_s=0.6) as platform:
        view = measure(store, platform, idle_s=(0.1, 1.0), d_init=(3,))
    short, long = view.cells()
    assert [cell.status for cell in view.cells()] == [CellStatus.FINISHED] * 2
    (kept,) = trials(view, short)
    (gone,) = trials(view, long)
    assert (kept.warm, gone.warm) == (3, 0)
    assert all(0.1 <= idle_s < 0.5 for idle_s in kept.idle_s)
    assert all(1.0 <= idle_s < 1.5 for idle_s in gone.idle_s)


def test_fault_of_a_plugin_costs_one_cell_and_the_trials_of_others_go_on(store: Store) -> None:
    with pond() as platform:

        class Once(platform):  # type: ignore[misc,valid-type]
            said = 0

            def status_of(self, reply: Any) -> Status:
                type(self).said += 1
                if self.said == 3:
                    raise ValueError("a fault of the plugin")
                return super().status_of(reply)

        view = measure(store, Once, idle_s=(0.1, 0.3), repetitions=2)
    cells = view.cells()
    failed = [cell for cell in cells if cell.status is CellStatus.FAILED]
    assert [(cell.stop_reason, "a fault of the plugin" in (cell.error or "")) for cell in failed] == [
        ("plugin failed", True)
    ]
    (other,) = [cell for cell in cells if cell.status is CellStatus.FINISHED]
    assert sum(trial.counts for trial in trials(view, other)) == 2
    assert {deployment.status for deployment in view.deployments()} == {"deleted"}


def test_every_trial_has_a_function_of_its_own_and_leaves_none_behind(store: Store) -> None:
    with pond() as platform:
        view = measure(store, platform, repetitions=3)
    assert len(view.deployments()) == 3
    assert {deployment.status for deployment in view.deployments()} == {"deleted"}
    (cell,) = view.cells()
    assert {(call.kind, call.round) for call in view.invocations(cell_id=cell.id)} == {
        (kind, number) for kind in (Kind.WARMUP, Kind.MEASURED) for number in range(3)
    }


def test_all_trials_wait_at_the_same_time_the_longest_first(store: Store) -> None:
    idles_s = tuple(0.1 * (level + 1) for level in range(10))
    with pond() as platform:
        started_s = time.monotonic()
        view = measure(store, platform, idle_s=idles_s, repetitions=2, d_init=(1,))
        took_s = time.monotonic() - started_s
    assert sum(len(trials(view, cell)) for cell in view.cells()) == 20
    assert took_s < 2 * sum(idles_s) / 2  # half of the sum of 11 s; the longest is 1 s
    firsts = {call.cell_id: call.client_sent_s for call in reversed(list(view.invocations(kind=Kind.WARMUP)))}
    by_idle = sorted(view.cells(), key=lambda cell: -cell.factors["idle_s"])
    assert all(firsts[longer.id] <= firsts[shorter.id] for longer, shorter in pairwise(by_idle))


@pytest.mark.slow
def test_slow_deployments_do_not_delay_answers(store: Store) -> None:
    # The first burst of the second function lasts longer than that of the first, upon which a third could be deployed.
    with pond(deploy_s=0.4, mishaps={(1, 1): SLOW, (1, 2): SLOW}) as platform:
        view = measure(store, platform, repetitions=3, idle_s=(1.0,), max_starting=4)
    calls = list(view.invocations(kind=Kind.WARMUP))
    assert len({call.deployment_id for call in calls}) >= 3
    for call in calls:
        assert call.function_duration_s is not None
        assert call.latency_s - call.function_duration_s < 0.25


def without_records(platform: type[Pond]) -> type[Pond]:
    """Return a platform whose records are late and never come."""
    nothing = {"records": lambda *_asked: {}, "late_records": True, "capabilities": FakePlatform.capabilities}
    return type("WithoutRecords", (platform,), nothing)


@pytest.mark.parametrize("places", [300, 2], ids=["all deployed", "others wait for a place"])
def test_waiting_for_late_records_delays_no_call_that_is_due(store: Store, places: int) -> None:
    with pond() as platform:
        listener = Listener()
        view = measure(
            store,
            without_records(platform),
            listener,
            idle_s=(0.1, 0.2, 2.0),
            d_init=(1,),
            max_deployed=places,
            records_wait_s=4.0,
        )
    assert any("waiting for" in step for step in listener.steps)
    (longest,) = (trial for cell in view.cells() if cell.factors["idle_s"] == 2.0 for trial in trials(view, cell))
    assert longest.mean_idle_s < 4.0  # what is waited for comes after


def test_interrupt_waits_for_no_records(store: Store) -> None:
    class Impatient(Listener):
        def progressed(self, *_told: Any) -> None:
            raise KeyboardInterrupt

    listener = Impatient()
    with pond() as platform, pytest.raises(KeyboardInterrupt):
        measure(store, without_records(platform), listener, idle_s=(0.1, 2.0), records_wait_s=30.0)
    assert not [step for step in listener.steps if "waiting for" in step]
    (run,) = store.runs()
    assert {deployment.status for deployment in store.view(run.id).deployments()} == {"deleted"}


def test_more_trials_than_may_be_deployed_wait_for_a_place(store: Store) -> None:
    with pond() as platform:
        listener = Listener()
        view = measure(store, platform, listener, repetitions=5, max_deployed=2)
    assert len(trials(view)) == 5
    deployed = most = 0
    for step in listener.steps:
        deployed += step.startswith("deploying") - step.startswith("tearing down")
        most = max(most, deployed)
    assert most == 2


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (LOST, "after the idle time, 1 of 2 calls failed (platform_error)"),
        (STRANGER, "wrong start type: a sandbox not seen before was warm"),
        (IMPOSTOR, "wrong start type: a sandbox of before was cold"),
    ],
)
def test_void_trial_is_stored_said_and_repeated(store: Store, fault: str, problem: str) -> None:
    with pond(mishaps={(0, 2 * (BURSTS - 1) + 1): fault}) as platform:
        listener = Listener()
        view = measure(store, platform, listener)
    void, good = trials(view)
    assert (void.problem, void.counts) == (problem, False)
    assert (good.counts, good.warm) == (True, 2)
    assert any(f"trial 0 is void: {problem}" in warning for warning in listener.warnings)
    assert view.cells()[0].status is CellStatus.FINISHED


def test_burst_that_is_lost_or_shares_a_sandbox_is_sent_again_before_the_idle_time(store: Store) -> None:
    # Calls 1 and 2 start the sandboxes; of 3 and 4 one is lost; 5 and 6 meet the same; 7 and 8 are as they should be.
    with pond(mishaps={(0, 3): LOST, (0, 6): SHARED}) as platform:
        view = measure(store, platform)
    (trial,) = trials(view)
    assert trial.counts
    warmups = list(view.invocations(kind=Kind.WARMUP))
    assert len(warmups) == 8
    assert [call.status for call in warmups].count(Status.OK) == 7
    last = max(call.batch for call in warmups)
    assert len({call.sandbox_id for call in warmups if call.batch == last}) == 2


def test_cell_is_given_up_after_too_many_void_trials(store: Store) -> None:
    with pond(mishaps=dict.fromkeys(((place, call) for place in range(9) for call in range(1, 99)), LOST)) as platform:
        view = measure(store, platform, status=RunStatus.UNSUCCESSFUL, max_void=3, max_bursts=2)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FAILED, "3 void trials")
    assert cell.error == "the last one: before the idle time, 2 of 2 calls failed (platform_error)"
    assert len(view.deployments()) == 3
    assert len(list(view.invocations())) == 3 * 3 * 2  # the first burst, and two that should have found them warm


def test_sandbox_that_vanishes_during_the_idle_time_is_one_fewer(store: Store) -> None:
    class Leaky(Pond):
        def _place(self, sandboxes: list[Any], fault: str | None) -> Any:
            if self._calls[0] == 3 * (BURSTS - 1) + 1:  # the first call after the idle time
                del sandboxes[0]
            return super()._place(sandboxes, fault)

    Leaky.functions = []
    (trial,) = trials(measure(store, Leaky, d_init=(3,)))
    assert trial.counts
    assert sorted(trial.alive) == [False, True, True]


def test_clock_of_the_function_that_steps_changes_nothing(store: Store) -> None:
    jumps = iter(range(10**6))
    with pond(clock_s=staticmethod(lambda: time.time() - 3600.0 * next(jumps))) as platform:
        (trial,) = trials(measure(store, platform))
    assert trial.counts
    assert all(0.1 <= idle_s < 0.5 for idle_s in trial.idle_s)


def test_platform_that_cannot_be_called_at_once_is_unsupported(store: Store) -> None:
    view = measure(store, FakePlatform, status=RunStatus.UNSUCCESSFUL)
    (cell,) = view.cells()
    assert cell.status is CellStatus.UNSUPPORTED
    assert "one call after the other" in (cell.error or "")


def test_deployment_that_fails_ends_its_cell_and_not_the_run(store: Store) -> None:
    class Full(Pond):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            if config.memory_mib == 256:
                raise DeployError("no room")
            return super().deploy(package, config)

    Full.functions = []
    view = measure(store, Full, memory_mib=(128, 256), repetitions=2)
    small, large = view.cells()
    assert (small.status, large.status, large.error) == (CellStatus.FINISHED, CellStatus.FAILED, "no room")


def test_no_trial_begins_when_the_time_is_up(store: Store) -> None:
    with pond() as platform:
        view = measure(store, platform, max_time_s=1, idle_s=(1.2,), repetitions=2, max_deployed=1)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FAILED, "the time is up")
    assert len(trials(view)) == 1


@pytest.mark.slow
def test_bisection_closes_in_on_the_time_to_live(store: Store) -> None:
    with pond(live_s=0.3) as platform:
        view = measure(
            store, platform, method="bisection", idle_s=(0.06, 1.2), precision=0.25, repetitions=2, d_init=(2,)
        )
    (cell,) = view.cells()
    assert cell.status is CellStatus.FINISHED
    found = trials(view)
    kept_s = max(trial.mean_idle_s for trial in found if trial.warm == 2)
    gone_s = min(trial.mean_idle_s for trial in found if trial.warm == 0)
    assert kept_s < 0.3 < gone_s + 0.05
    assert gone_s / kept_s < 1.3
    # sqrt(0.06 * 1.2) = 0.268 is below 0.3: the first step keeps them.
    assert found[0].mean_idle_s == pytest.approx(0.268, abs=0.03)


def test_resumed_run_keeps_what_is_done_and_repeats_what_was_cut(store: Store) -> None:
    class Cut(Listener):
        def progressed(self, cell: Any, done: int, failed: int) -> None:
            raise KeyboardInterrupt

    with pond() as platform:
        wanted = {"idle_s": (0.1, 0.8), "d_init": (1,), "repetitions": 1, "hold_s": (0.03,), "max_void": 1}
        request = RunSpec(Eviction(), EvictionSettings(**wanted), {"pond": FakeSettings()}, seed=1)
        registry = registry_with(platform)
        with pytest.raises(KeyboardInterrupt):
            orchestrator.run(request, registry, store, Cut())
        (cut,) = store.runs()
        orchestrator.run(
            RunSpec(Eviction(), EvictionSettings(**wanted), {"pond": FakeSettings()}, resume=cut.id),
            registry,
            store,
            Listener(),
        )
    view = store.view(cut.id)
    by_idle = {cell.factors["idle_s"]: cell for cell in view.cells()}
    assert {cell.status for cell in by_idle.values()} == {CellStatus.FINISHED}
    assert [trial.cut for trial in trials(view, by_idle[0.8])] == [True, False]
    assert [trial.cut for trial in trials(view, by_idle[0.1])] == [False]
    cold = [call for call in view.invocations() if call.start_type is StartType.COLD]
    assert len(cold) == 3  # one each, and one more for the trial that was repeated
