"""Plans that know what earlier runs of the same cells took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.model import Kind, Plan, Status
from sebsx.running import orchestrator
from sebsx.stats import median
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, run_spec, store_in
from tests.support import Cli


@pytest.fixture(autouse=True)
def _home(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


def planned(store: Store, **settings: object) -> Plan:
    return orchestrator.plan(run_spec(**settings), registry_with(FakePlatform), store)


@pytest.mark.slow
def test_plan_knows_what_the_same_cells_took(store: Store) -> None:
    assert not any("in run" in note for note in planned(store).notes)
    first, last = (
        orchestrator.run(run_spec(start=("warm",)), registry_with(FakePlatform), store, Listener()) for _ in range(2)
    )
    plan = planned(store, start=("warm", "cold"), repetitions=20)
    assert f"time and cost of 1 of 2 cells follow from what their calls took in run {last.id}" in plan.notes
    assert not any(first.id in note for note in plan.notes)
    view = store.view(last.id)
    latency_s = median(view.column("client.latency_s", kind=Kind.MEASURED, status=Status.OK))
    warm, cold = plan.cells
    assert warm.duration_s == pytest.approx((20 + 10) * latency_s)  # ten sandboxes, each warmed by a call
    assert cold.duration_s != pytest.approx(20 * latency_s)


@pytest.mark.slow
def test_other_levels_are_other_cells(store: Store) -> None:
    orchestrator.run(run_spec(), registry_with(FakePlatform), store, Listener())
    assert not any("in run" in note for note in planned(store, memory_mib=(1024,)).notes)


@pytest.mark.slow
def test_plan_makes_no_store_and_needs_none(sebsx: Cli, tmp_path: Path) -> None:
    words = ("plan", "benchmark", "sleep", "--size", "test", "--start", "warm")
    missing = tmp_path / "none.sqlite"
    assert sebsx("--store", str(missing), *words).returncode == 0
    assert not missing.exists()
    foreign = tmp_path / "foreign.sqlite"
    foreign.write_bytes(b"no store, and more than a few bytes of that" * 100)
    done = sebsx("--store", str(foreign), *words)
    assert done.returncode == 0
    assert "earlier runs cannot be read, and give no time and cost" in done.stderr
