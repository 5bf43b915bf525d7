"""Records of providers: waited for until a deadline, counted when they do not come, and fetched later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from sebsx.errors import UserError
from sebsx.model import Deployment, Kind, ProviderRecord, Run, RunStatus, StartType
from sebsx.running import fetching, orchestrator, provider_records
from sebsx.running.limits import Limits
from sebsx.settings import Section, SettingsReader
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, run_spec, store_in

NO_WAIT = Limits(records_wait_s=0.0)


class Late(FakePlatform):
    """Keeps its records for those who ask after the run, and gives them while `open` only."""

    late_records = True
    open: ClassVar[bool] = True
    kept: ClassVar[dict[str, ProviderRecord]] = {}
    asked: ClassVar[int] = 0

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        type(self).asked += 1
        self.kept.update(super().records(deployment, request_ids))
        return {key: self.kept[key] for key in request_ids if key in self.kept} if self.open else {}


class Silent(FakePlatform):
    """Has records that say how long it took, and nothing of the start."""

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        found = super().records(deployment, request_ids)
        return {key: replace(record, init_s=None, start_type=None) for key, record in found.items()}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Late, "kept", {})
    monkeypatch.setattr(Late, "asked", 0)
    with store_in(tmp_path) as opened:
        yield opened


def measure(
    store: Store, cls: type[FakePlatform], limits: Limits, listener: Listener | None = None, polls: int = 0
) -> Run:
    spec = replace(run_spec({"fake": FakeSettings(record_delay_polls=polls)}), limits=limits)
    run = orchestrator.run(spec, registry_with(cls), store, listener or Listener())
    assert run.status is RunStatus.FINISHED
    return run


def fetch(store: Store, cls: type[FakePlatform], run: Run, wait_s: float = 0.0) -> list[fetching.Fetched]:
    registry = registry_with(cls)
    sections = [Section(f"platform.{name}", platform.Settings) for name, platform in registry.platforms.items()]
    return fetching.fetch(store, registry, SettingsReader([], sections), run.id, wait_s, lambda _: None)


@pytest.mark.slow
def test_records_are_waited_for_until_they_come(store: Store) -> None:
    listener = Listener()
    run = measure(store, Late, Limits(records_wait_s=30.0), listener, polls=2)
    assert all(item.provider_duration_s is not None for item in store.view(run.id).invocations())
    assert any("waiting for 4 records" in step for step in listener.steps)
    assert listener.warnings == []


def test_records_that_never_come_are_counted_and_told_and_latencies_are_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Late, "open", False)
    listener = Listener()
    run = measure(store, Late, NO_WAIT, listener)
    view = store.view(run.id)
    measured = list(view.invocations(kind=Kind.MEASURED))
    assert [item.start_type for item in measured] == [StartType.WARM] * 3
    assert all(item.start_evidence == '{"function": "warm"}' and item.latency_s > 0 for item in measured)
    assert [value.value for value in view.values() if value.metric == provider_records.MISSING] == [4.0]
    (warning,) = listener.warnings
    assert "4 records of platform 'fake'" in warning
    assert f"sebsx records {run.id}" in warning


def test_what_did_not_come_is_fetched_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Late, "open", False)
    run = measure(store, Late, NO_WAIT)
    assert [item.missing for item in fetch(store, Late, run)] == [4]
    monkeypatch.setattr(Late, "open", True)
    assert [item.missing for item in fetch(store, Late, run)] == [0]
    items = list(store.view(run.id).invocations())
    assert all(item.provider_billed_s is not None for item in items)
    assert [item.start_type for item in items] == [StartType.COLD, *[StartType.WARM] * 3]
    values = [value.value for value in store.view(run.id).values() if value.metric == provider_records.MISSING]
    assert values[-1] == 0
    asked = Late.asked
    assert [item.missing for item in fetch(store, Late, run)] == [0]
    assert Late.asked == asked  # nobody is asked for what is there


def test_platform_that_keeps_no_records_says_so(store: Store) -> None:
    class AtOnce(FakePlatform):
        late_records = False

    run = measure(store, AtOnce, Limits(), polls=100)  # nothing waits for what can never come
    (item,) = fetch(store, AtOnce, run)
    assert (item.missing, item.reason) == (None, "the platform keeps no records after a run")


def test_run_that_goes_on_asks_for_its_records_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    class Curious(FakePlatform):
        def teardown(self, deployment: Deployment) -> None:
            (run,) = store.runs()
            with pytest.raises(UserError, match="still running") as raised:
                fetch(store, FakePlatform, run)
            refused.append(str(raised.value))
            super().teardown(deployment)

    measure(store, Curious, NO_WAIT)
    assert refused


def test_record_that_says_nothing_of_the_start_leaves_what_the_function_proved(store: Store) -> None:
    run = measure(store, Silent, NO_WAIT)
    items = list(store.view(run.id).invocations())
    assert [item.start_type for item in items] == [StartType.COLD, *[StartType.WARM] * 3]
    assert all(item.provider_duration_s is not None and "provider" not in item.start_evidence for item in items)
