"""A load that nobody answers ends early, and quantiles of successes alone are marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sebsx.contracts.analyzers import Estimate
from sebsx.model import CellStatus, Kind, RunStatus
from sebsx.running import orchestrator
from sebsx.running.session import sending
from sebsx.testing.fakes import FakeSettings, Fault
from sebsx.testing.registries import registry_with
from sebsx_load.analyzer import LoadAnalyzer, LoadAnalyzerSettings
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


def test_one_answer_keeps_a_load_going_even_a_bad_one(store: Store) -> None:
    view = load(store, [Fault.THROTTLED, *[Fault.REFUSED] * 300], 300)
    assert sent(view) == 300


def test_times_of_successes_alone_say_so(store: Store) -> None:
    view = load(store, [Fault.THROTTLED] * 20, 400)  # 5 %: p90 of all calls is among the successes, p99 is not
    report = LoadAnalyzer().analyze([view], LoadAnalyzerSettings())
    (times,) = next(table for table in report.tables if table.name == "times").rows
    assert times["response_s"].note == times["service_p90_s"].note == "of successes"
    assert isinstance(times["service_p99_s"], Estimate)
    if times["service_p99_s"].value is not None:  # else the generator was late on a busy machine
        assert times["service_p99_s"].note == "of successes; of all calls it is longer"
    assert any("the 380 calls of 400 that succeeded" in finding.text for finding in report.findings)


def test_times_of_a_load_without_failures_are_not_marked(store: Store) -> None:
    view = load(store, [], 50)
    report = LoadAnalyzer().analyze([view], LoadAnalyzerSettings())
    (times,) = next(table for table in report.tables if table.name == "times").rows
    assert times["response_s"].note == ""
