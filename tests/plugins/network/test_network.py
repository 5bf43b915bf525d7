"""Round trips against delays that a test injected, and faults on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from sebsx.contracts.runs import RunView
from sebsx.model import Capability, CellStatus, Kind, StartType, Status
from sebsx.running import orchestrator
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.registries import registry_with
from sebsx.testing.runs import RunWriter
from sebsx_network.analyzer import IntervalSettings, NetworkAnalyzer
from sebsx_network.experiment import DOWNLOAD, UPLOAD, Network, NetworkSettings
from tests.orchestration import Listener, failing, store_in
from tests.plugins.delays import delayed, home, run_on

__all__ = ["home"]
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def settings(*paths: str, **more: Any) -> NetworkSettings:
    return NetworkSettings(**{"paths": paths, "sandboxes": 2, "round_trips": 12, "object_bytes": (1024,), **more})


def rows(view: RunView) -> dict[str, dict[str, Any]]:
    report = NetworkAnalyzer().analyze([view], IntervalSettings())
    return {row["what"]: dict(row) for table in report.tables for row in table.rows}


def texts(view: RunView) -> list[str]:
    return [finding.text for finding in NetworkAnalyzer().analyze([view], IntervalSettings()).findings]


@pytest.mark.slow
def test_injected_delay_comes_back_as_the_round_trip_and_time_in_the_handler_does_not(tmp_path: Path) -> None:
    errors = []
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        with store_in(tmp_path / str(number)) as store, delayed(out_s=0.015, back_s=0.005) as platform:
            view = run_on(platform, Network(), settings("client"), store)
            (proxy,) = platform.proxies
            found = rows(view)["round trip"]
        assert (found["n"], found["sandboxes"]) == (24, 2)
        assert found["min_s"] >= 0.020
        out_s = median(proxy.delays_s)
        errors.append(found["median_s"].value - out_s - 0.005)
        if 0 < errors[-1] < 0.002:
            return
    pytest.fail(f"round trips were {errors} s longer than the delay")


@pytest.mark.slow
def test_every_round_trip_meets_a_warm_sandbox_and_sandboxes_differ(store: Store) -> None:
    view = run_on(FakePlatform, Network(), settings("client", sandboxes=3), store)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    calls = list(view.invocations(kind=Kind.MEASURED))
    assert {call.start_type for call in calls} == {StartType.WARM}
    assert [len({call.sandbox_id for call in calls if call.round == number}) for number in range(3)] == [1, 1, 1]
    assert len({call.sandbox_id for call in calls}) == 3
    assert rows(view)["round trip"]["sandboxes"] == 3
    said, few = texts(view)
    assert said.startswith("median of the round trip ")
    assert few.endswith("measured in 3 sandboxes: a difference of a few percent may be that of the sandbox")
    assert rows(view)["round trip"]["median_s"].low is None


@pytest.mark.slow
def test_interval_is_over_sandboxes_and_holds_what_is_true_of_all_of_them(store: Store) -> None:
    rng = np.random.default_rng(20261130)
    missed = []
    for number in range(1, 13):
        writer = RunWriter(store, number, experiment="network")
        luck = rng.lognormal(0, 0.1, 10).repeat(30)
        # 9 % of the client's time is the way (`RunWriter`): 1.8 ms here, with 10 % between sandboxes.
        writer.add((0.02 * luck * rng.lognormal(0, 0.02, 300)).tolist(), per_sandbox=30, path="client")
        found = rows(writer.finish())["round trip"]
        missed.append(not found["median_s"].low <= 0.0018 <= found["median_s"].high)
        assert found["between"] == pytest.approx(0.1, rel=0.6)
        assert found["within"] == pytest.approx(0.02, rel=0.2)
    assert sum(missed) <= 2  # of the 12; with calls as units 10 of them miss


@pytest.mark.slow
def test_times_of_the_way_to_the_storage_are_the_functions_own(store: Store) -> None:
    view = run_on(FakePlatform, Network(), settings("storage", object_bytes=(1024, 65536)), store)
    assert [cell.status for cell in view.cells()] == [CellStatus.FINISHED] * 2
    for cell in view.cells():
        for call in view.invocations(cell_id=cell.id, kind=Kind.MEASURED):
            assert 0 < call.samples[UPLOAD] + call.samples[DOWNLOAD] < call.latency_s
    report = NetworkAnalyzer().analyze([view], IntervalSettings())
    found = {(row["what"], row["parameters"]): row for row in report.tables[0].rows}
    assert len(found) == 4
    upload = found["upload", "object_bytes=65536,round_trips=1"]
    assert upload["bytes_per_s"] == pytest.approx(65536 / upload["median_s"].value / 2**20)
    assert {figure.name for figure in report.figures} == {"storage-ecdf"}
    assert "upload of 1.00 KiB" in report.findings[0].text
    assert "download of 64.0 KiB" in report.findings[0].text
    (answer,) = report.answers  # one place, whatever the sizes
    assert answer.startswith("fake: upload of 1.00 KiB ")
    assert "download of 64.0 KiB " in answer


def test_platform_without_storage_still_tells_its_round_trips(store: Store) -> None:
    class Bare(FakePlatform):
        capabilities = FakePlatform.capabilities - {Capability.STORAGE}

    view = run_on(Bare, Network(), settings("client", "storage"), store)
    assert [cell.status for cell in view.cells()] == [CellStatus.FINISHED, CellStatus.UNSUPPORTED]
    assert any("storage" in text for text in texts(view))


@pytest.mark.slow
def test_lost_calls_and_evicted_sandboxes_are_stored_and_made_up_for(store: Store) -> None:
    view = run_on(failing(None, None, Fault.LOST, Fault.OUT_OF_MEMORY, Fault.THROTTLED), Network(), settings("client"),
                  store)  # fmt: skip
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    assert rows(view)["round trip"]["n"] == 24
    said = " ".join(texts(view))
    assert "1 of 28 calls ended as timeout" in said
    assert "1 calls met a new sandbox and do not count" in said


def test_platform_that_answers_nothing_ends_the_cell_at_its_cap(store: Store) -> None:
    view = run_on(failing(*[Fault.REFUSED] * 200), Network(), settings("client", max_failures=5), store)
    (cell,) = view.cells()
    assert cell.status is CellStatus.FAILED
    assert cell.error is not None
    assert "connection refused" in cell.error
    assert sum(view.counts().values()) <= 2 * (1 + 12)
    assert texts(view)[0] == "not enough data: no round trip was measured"


@pytest.mark.slow
def test_interrupted_run_goes_on_with_the_sandbox_that_was_not_finished(store: Store) -> None:
    class Impatience(Listener):
        def progressed(self, cell: Any, done: int, failed: int) -> None:
            if done >= 12:
                raise KeyboardInterrupt

    registry = registry_with(FakePlatform)
    wanted = orchestrator.RunSpec(Network(), settings("client"), {"fake": FakeSettings()}, seed=1)
    with pytest.raises(KeyboardInterrupt):
        orchestrator.run(wanted, registry, store, Impatience())
    (run,) = store.runs()
    assert sum(store.counts(run.id).values()) == 13
    view = store.view(orchestrator.run(replace(wanted, resume=run.id), registry, store, Listener()).id)
    measured = [call for call in view.invocations(kind=Kind.MEASURED) if call.status is Status.OK]
    assert [call.round for call in measured] == [0] * 12 + [1] * 12


def test_answer_passes_over_what_was_starved(store: Store) -> None:
    writer = RunWriter(store, experiment="network")
    busy = writer.add([0.1] * 12, path="client", deployment={"platform": "busy"})
    writer.add([0.1] * 12, path="client", deployment={"platform": "calm"})
    store.add_value(writer.run.id, "host.starved", 0.9, cell_id=busy)
    report = NetworkAnalyzer().analyze([writer.finish()], IntervalSettings())
    assert report.answers[0] == "busy: round trip not told, the machine was busy"
    assert report.answers[1].startswith("calm: round trip 9.")
    assert "busy" not in report.findings[0].text
    assert any("left out of answers" in finding.text for finding in report.findings)
