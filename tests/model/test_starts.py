"""A sandbox restored from a snapshot is a cold start as wanted, counted the same by programs and by the view."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from sebsx.model import CellStatus, RunStatus, StartType
from sebsx.model.starts import counts, start_name
from sebsx.reading.conditions import conditions
from sebsx.running import orchestrator
from sebsx.running.limits import Limits
from sebsx.store import Store
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, Restoring, run_spec
from tests.store.conftest import RUN, Begun, make_cell, make_invocation, postgresql, postgresql_target, store, target

__all__ = ["postgresql", "postgresql_target", "store", "target"]  # fixtures


@pytest.mark.parametrize(
    ("wanted", "counted"),
    [
        ("cold", {"cold", "restored"}),
        ("warm", {"warm"}),
        ("burst", set(StartType)),
        (None, set(StartType)),
    ],
)
def test_wanted_start_counts_these(wanted: str | None, counted: set[str]) -> None:
    assert {start for start in StartType if counts(start, wanted)} == counted


@pytest.mark.parametrize(
    ("wanted", "had", "name"),
    [
        ("cold", {"cold"}, "cold"),
        ("cold", {"warm", "restored"}, "restored"),
        ("cold", {"restored", "cold"}, "cold+restored"),
        ("cold", {"warm"}, "cold"),
        ("warm", {"restored", "warm"}, "warm"),
        ("burst", {"restored"}, "burst"),
        (None, {"cold"}, None),
    ],
)
def test_sample_is_named_by_the_starts_it_has(wanted: str | None, had: set[str | None], name: str | None) -> None:
    assert start_name(wanted, had) == name


def test_view_and_conditions_count_the_same(store: Store) -> None:
    begun = Begun(store)
    for sequence, (wanted, start) in enumerate(product(("cold", "warm", "burst"), StartType), 1):
        begun.cell = store.design.add_cell(RUN, make_cell(wanted))
        begun.add(make_invocation(sequence, start_type=start))
    view = store.view(RUN)
    rows = {(row["start_wanted"], row["start_type"]) for row in view.rows("measured")}
    assert rows == {(w, s.value) for w, s in product(("cold", "warm", "burst"), StartType) if counts(s, w)}
    counted = [int(sequence) for one in conditions([view]) for sequence in one.counted["sequence"]]
    assert sorted(counted) == sorted(row["sequence"] for row in view.rows("measured"))


def measure(store: Store, **changes: Any) -> Any:
    wanted = replace(run_spec(start=("cold",)), **changes)
    return orchestrator.run(wanted, registry_with(Restoring), store, Listener())


def test_cold_cell_has_enough_when_sandboxes_are_restored(store: Store) -> None:
    view = store.view(measure(store).id)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    assert [call.start_type for call in view.invocations()] == [StartType.RESTORED] * 3
    (one,) = conditions([view])
    assert (one.wanted, one.identity["start"], one.wrong_start, one.mixture) == ("cold", "restored", 0, "")


@pytest.mark.slow
def test_restored_samples_of_an_interrupted_run_count_when_it_goes_on(store: Store) -> None:
    cut = measure(store, limits=Limits(max_invocations=2))
    assert cut.status is not RunStatus.FINISHED
    assert measure(store, resume=cut.id).status is RunStatus.FINISHED
    assert [call.start_type for call in store.view(cut.id).invocations()] == [StartType.RESTORED] * 3
