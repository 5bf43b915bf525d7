"""A load that nobody answers ends early."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sebsx.model import CellStatus, Kind, RunStatus
from sebsx.running import orchestrator
from sebsx.running.session import sending
from sebsx.testing.fakes import FakeSettings, Fault
from sebsx.testing.registries import registry_with
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from tests.orchestration import ECHO, Listener, failing, store_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as store:
        yield store


def load(store: Store, faults: Sequence[Fault | None], calls: int) -> RunView:
    settings = LoadSettings(benchmark=ECHO, rate="50000", requests=calls, warmups=0)
    spec = orchestrator.RunSpec(Load(), settings, {"fake": FakeSettings()}, seed=1)
    return store.view(orchestrator.run(spec, registry_with(failing(*faults)), store, Listener()).id)


def sent(view: RunView) -> int:
    return sum(n for (kind, _, _), n in view.counts().items() if kind is Kind.MEASURED)


@pytest.mark.slow
@pytest.mark.parametrize(("after_s", "calls"), [(30.0, 100), (0.0, 5)])
def test_load_that_nobody_answers_is_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch, after_s: float, calls: int
) -> None:
    monkeypatch.setattr(sending, "SILENT_S", after_s)
    view = load(store, [Fault.REFUSED] * 500, 500)
    (cell,) = view.cells()
    assert sent(view) == calls
    assert cell.status is CellStatus.FAILED
    assert (cell.stop_reason or "").startswith(f"none of the first {calls} calls was answered")
    assert view.status is RunStatus.UNSUCCESSFUL


@pytest.mark.slow
def test_one_answer_keeps_a_load_going_even_a_bad_one(store: Store) -> None:
    view = load(store, [Fault.THROTTLED, *[Fault.REFUSED] * 300], 300)
    assert sent(view) == 300
