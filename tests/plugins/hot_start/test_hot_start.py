"""Payloads come back from sandboxes that poll; planted round trips give the bound, and the distance from it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import PlatformError
from sebsx.model import CellStatus, StartType
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform
from sebsx.testing.runs import RunWriter
from sebsx_hot_start import experiment
from sebsx_hot_start.analyzer import HotStartAnalyzer, IntervalSettings
from sebsx_hot_start.experiment import HotSettings, HotStart
from sebsx_hot_start.plugin import sebsx_register_metrics
from sebsx_hot_start.polling import FOLDER, WAYS, client
from sebsx_local.backend import LocalPlatform
from tests.orchestration import store_in
from tests.plugins.delays import home, run_on
from tests.sandboxes.conftest import eventually

__all__ = ["home"]


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The sandbox's side, in this process."""
    monkeypatch.syspath_prepend(str(FOLDER / "python"))
    import slot as found  # type: ignore[import-not-found]  # shipped

    yield found
    sys.modules.pop("slot")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_payload_comes_back_and_is_timed(slot: Any, way: str) -> None:
    with client(way, 300_000, exchanges=5, warmups=2, timeout_s=60) as asking, slot.opened(asking.event, "x") as end:
        assert end.serve(bytes, 7) == 7
        times_s = asking.times_s()
    assert len(times_s) == 5
    assert min(times_s) > 0


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_changed_payload_is_an_error_and_not_a_time(slot: Any, way: str) -> None:
    with client(way, 4, exchanges=1, warmups=0, timeout_s=60) as asking, slot.opened(asking.event, "x") as end:
        end.serve(lambda data: bytes([data[0] ^ 1]) + data[1:], 1)
        with pytest.raises(PlatformError, match="came back changed"):
            asking.times_s()


_KILLED = """
import sys, time
from sebsx_hot_start.polling import client
with client(sys.argv[1], 4096, exchanges=1, warmups=0, timeout_s=600) as asking:
    print(asking.process.pid, asking.event.get("path", ""), flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_killed_sebsx_leaves_no_client_and_no_memory(way: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED, way], stdout=subprocess.PIPE, text=True) as sebsx:
        assert sebsx.stdout is not None
        pid, _, path = sebsx.stdout.readline().strip().partition(" ")
        sebsx.send_signal(signal.SIGKILL)
    assert not path or not Path(path).exists()
    eventually(lambda: not _runs(int(pid)))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_sandbox_that_never_comes_is_given_up(way: str) -> None:
    with client(way, 4, exchanges=1, warmups=0, timeout_s=0.2) as asking, pytest.raises(PlatformError):
        asking.times_s()


def test_sandbox_gives_up_a_client_that_ended(slot: Any) -> None:
    with client("shared-memory", 4, exchanges=2, warmups=0, timeout_s=60) as asking:
        asking.process.kill()
        with slot.opened({**asking.event, "timeout_s": 0.05}, "x") as end, pytest.raises(slot.Gone):
            end.serve(bytes, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_preset_for_a_first_look_measures_polling_sandboxes_beside_warm_and_cold_ones(store: Store) -> None:
    settings = HotSettings()
    view = run_on(LocalPlatform, HotStart(), settings, store)
    assert {cell.status for cell in view.cells()} == {CellStatus.FINISHED}, [cell.error for cell in view.cells()]
    report = HotStartAnalyzer().analyze([view], IntervalSettings())
    found = {(row["way"], row["start"], row["payload_bytes"]): row for row in report.tables[0].rows}
    assert len(found) == 4 * len(settings.chosen.payload_bytes)
    assert {row["sandboxes"] for row in found.values()} == {settings.chosen.sandboxes}
    sizes = {"hot": settings.chosen.exchanges, "warm": settings.chosen.calls, "cold": 1}
    assert {key[1]: row["n"] for key, row in found.items()} == {
        start: each * settings.chosen.sandboxes for start, each in sizes.items()
    }
    # Even where everything waits for a processor: memory is quicker than HTTP through a gateway.
    least = min(settings.chosen.payload_bytes)
    assert found["shared-memory", "hot", least]["min_s"] < found["platform", "warm", least]["min_s"]
    assert min(row["distance_s"] for row in found.values()) == 0
    assert len(report.answers) == len(settings.chosen.payload_bytes)
    assert threading.active_count() < 50


@pytest.mark.usefixtures("home")
def test_platform_whose_memory_is_not_shared_has_no_polling_sandbox(store: Store) -> None:
    view = run_on(FakePlatform, HotStart(), HotSettings(payload_bytes=(1,), start=("hot", "warm"), sandboxes=1), store)
    assert [cell.status for cell in view.cells()] == [CellStatus.UNSUPPORTED] * 2 + [CellStatus.FINISHED]
    report = HotStartAnalyzer().analyze([view], IntervalSettings())
    assert "no sandbox polled: there is no bound" in report.findings[0].text


COLD = {"start_type": StartType.COLD}


class Polled(StrEnum):
    """The level of cells whose calls poll, which is no start of a call."""

    HOT = "hot"


@pytest.mark.parametrize("failed", [1, 4])
def test_sandbox_that_gave_no_answer_counts(store: Store, failed: int) -> None:
    writer = RunWriter(store, experiment="hot-start", factors=HotStart.factors, metrics=sebsx_register_metrics())
    cell = writer.add(
        [1.0] * 10, rounds=range(10), start=Polled.HOT, way="loopback", payload_bytes=1, changes=COLD,  # type: ignore[arg-type]
    )  # fmt: skip
    for number in range(10 - 2 * failed):
        text = json.dumps({"round": number, "t_s": [4e-5] * 50})
        store.add_value(writer.run.id, experiment.SERIES, None, cell_id=cell, text=text)
    (row,) = HotStartAnalyzer().analyze([writer.finish()], IntervalSettings()).tables[0].rows
    assert row["median_s"].value == (4e-5 if failed == 1 else None)
    assert row["median_s"].note == ("upper end not reached: 20 % failed" if failed == 1 else "not reached: 80 % failed")


@pytest.mark.parametrize("starved", ["", "loopback", "shared-memory"])
def test_distance_is_from_the_quickest_polling_sandbox(store: Store, starved: str) -> None:
    writer = RunWriter(store, experiment="hot-start", factors=HotStart.factors, metrics=sebsx_register_metrics())
    for way, time_s in (("shared-memory", 5e-6), ("loopback", 4e-5)):
        cell = writer.add([1.0] * 6, rounds=range(6), start=Polled.HOT, way=way, payload_bytes=1024, changes=COLD)  # type: ignore[arg-type]
        for number in range(6):
            text = json.dumps({"round": number, "t_s": [time_s] * 50})
            store.add_value(writer.run.id, experiment.SERIES, None, cell_id=cell, text=text)
        store.add_value(writer.run.id, "host.starved", float(way == starved), cell_id=cell)
    writer.add([0.002] * 12, start=StartType.WARM, way="platform", payload_bytes=1024)
    writer.add([0.2] * 6, start=StartType.COLD, way="platform", payload_bytes=1024)
    report = HotStartAnalyzer().analyze([writer.finish()], IntervalSettings())
    found = {(row["way"], row["start"]): row for row in report.tables[0].rows}
    assert found["shared-memory", "hot"]["n"] == 300
    assert found["shared-memory", "hot"]["sandboxes"] == 6
    assert found["loopback", "hot"]["times"] == pytest.approx(8)
    assert found["platform", "warm"]["distance_s"] == pytest.approx(0.002 - 5e-6, rel=1e-3)
    assert found["platform", "cold"]["times"] == pytest.approx(40_000, rel=1e-3)
    unknown = "1.00 KiB: no bound is known, its polling sandboxes were starved; measure on a machine with less to do"
    known = (
        "1.00 KiB to a polling sandbox and back 5.00 us; fake warm 2.00 ms (400 times), fake cold 200 ms (40,000 times)"
    )
    assert report.answers == [unknown if starved == "shared-memory" else known]
