"""Faults while clocks are aligned: recorded, retried under a cap, reported."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from sebsx.contracts.runs import RunView
from sebsx.errors import UserError
from sebsx.model import Capability, CellStatus, Deployment, Kind, Reply, StartType, Status
from sebsx.running import orchestrator
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.registries import registry_with
from sebsx_invocation_overhead.analyzer import IntervalSettings, InvocationOverheadAnalyzer
from sebsx_invocation_overhead.experiment import InvocationOverhead
from sebsx_invocation_overhead.settings import OverheadSettings
from sebsx_invocation_overhead.windows import STEPPED, judge_all
from tests.orchestration import Listener, failing, store_in
from tests.plugins.delays import home, run_on

__all__ = ["home"]
pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.slow]  # whole runs
LARGE = 8192


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def measure(store: Store, platform: type[FakePlatform], start: str = "warm", **more: Any) -> RunView:
    wanted = {"sweeps": ("payload",), "start": (start,), "payload_bytes": (LARGE,), "repetitions": 4, **more}
    return run_on(platform, InvocationOverhead(), OverheadSettings(**wanted), store)


def texts(view: RunView) -> str:
    report = InvocationOverheadAnalyzer().analyze([view], IntervalSettings())
    return "\n".join(finding.text for finding in report.findings)


@pytest.mark.parametrize("start", ["warm", "cold"])
@pytest.mark.parametrize("parameters", [{"shift_s": "5"}, {"shift_s": "-5"}, {"drift_ppm": "100"}])
def test_wrong_clock_does_not_show_in_the_overhead(store: Store, start: str, parameters: dict[str, str]) -> None:
    view = measure(store, FakePlatform, start, parameters=parameters)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    samples = judge_all(view.invocations(), StartType(start)).samples
    assert len(samples) == 4
    assert {sample.payload_bytes for sample in samples} == {LARGE}
    assert abs(median(sample.outbound_s for sample in samples)) < 0.5


def test_lost_exchange_is_stored_and_the_alignment_goes_on(store: Store) -> None:
    view = measure(store, failing(None, Fault.LOST, Fault.THROTTLED, None, Fault.GARBLED))
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    statuses = Counter(call.status for call in view.invocations(kind=Kind.WARMUP))
    assert (statuses[Status.TIMEOUT], statuses[Status.THROTTLED], statuses[Status.FUNCTION_ERROR]) == (1, 1, 1)
    assert "3 exchanges failed or met another sandbox" in texts(view)


class Meddling(FakePlatform):
    """Meddles with what is called with a large payload."""

    loads = 0

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply:
        large = len(payload) >= LARGE
        self.loads += large
        reply = super().invoke(deployment, self.changed(payload), timeout_s)
        if large:
            self.after(deployment)
        return reply

    def changed(self, payload: bytes) -> bytes:
        return payload

    def after(self, deployment: Deployment) -> None:
        """Hear that a large payload was answered."""


def test_sandbox_that_is_evicted_in_the_middle_is_not_believed_and_the_window_is_repeated(store: Store) -> None:
    class Evicting(Meddling):
        def after(self, deployment: Deployment) -> None:
            if self.loads == 2:
                self.force_cold(deployment)

    view = measure(store, Evicting)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    window = judge_all(view.invocations(), StartType.WARM)
    # Two calls of the first sandbox, one cold and one warm of the second, which was not aligned before.
    assert window.discarded == {"the sandbox ended before its clock was aligned": 3, "start was cold": 1}
    assert len(window.samples) == 4
    assert "3 of 7 measured calls were left out: the sandbox ended before its clock was aligned" in texts(view)


def test_clock_step_in_the_middle_is_told_and_the_window_is_repeated(store: Store) -> None:
    class Stepping(Meddling):
        def changed(self, payload: bytes) -> bytes:
            if self.loads < 3:
                return payload
            wrong = {"shift_s": 0.5, "drift_ppm": 0.0, "step_s": 0.0, "step_after_s": 0.0}
            return json.dumps({**json.loads(payload), "wrong": wrong}).encode()

    view = measure(store, Stepping)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FINISHED, "enough samples")
    window = judge_all(view.invocations(), StartType.WARM)
    assert window.discarded == {STEPPED: 4}
    assert len(window.samples) == 4
    assert f"measured calls were left out: {STEPPED}" in texts(view)


def test_clock_that_is_set_all_the_time_ends_the_cell_at_its_cap(store: Store) -> None:
    class Jumping(Meddling):
        def changed(self, payload: bytes) -> bytes:
            wrong = {"shift_s": float(self.loads % 7), "drift_ppm": 0.0, "step_s": 0.0, "step_after_s": 0.0}
            return json.dumps({**json.loads(payload), "wrong": wrong}).encode()

    view = measure(store, Jumping, max_attempts=12, max_exchanges=15)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FAILED, "cap of 12 attempts reached")
    assert cell.error == "12 x the clock was set"
    assert sum(view.counts().values()) <= 12 + 3 * 2 * 15


def test_platform_that_answers_nothing_ends_the_cell_at_its_cap(store: Store) -> None:
    view = measure(store, failing(*[Fault.REFUSED] * 500), max_attempts=5)
    (cell,) = view.cells()
    assert (cell.status, cell.stop_reason) == (CellStatus.FAILED, "cap of 5 attempts reached")
    assert sum(view.counts().values()) == 5 * 11  # the first batch of each alignment
    assert "not enough data" in texts(view)


def test_cold_start_that_fails_is_repeated(store: Store) -> None:
    view = measure(store, failing(Fault.LOST), "cold")
    (cell,) = view.cells()
    assert cell.status is CellStatus.FINISHED
    assert judge_all(view.invocations(), StartType.COLD).discarded == {"ended as timeout": 1}


def test_platform_that_cannot_force_cold_starts_gives_an_unsupported_cell(store: Store) -> None:
    class Warm(FakePlatform):
        capabilities = FakePlatform.capabilities - {Capability.FORCE_COLD}

    view = measure(store, Warm, "cold")
    assert [cell.status for cell in view.cells()] == [CellStatus.UNSUPPORTED]


def test_payload_that_the_platform_does_not_take_gives_an_unsupported_cell(store: Store) -> None:
    class Narrow(FakePlatform):
        payload_bytes = 4096

    view = measure(store, Narrow)
    assert [cell.status for cell in view.cells()] == [CellStatus.UNSUPPORTED]
    assert "takes at most 4096" in texts(view)


def test_payload_that_no_platform_takes_is_refused_before_anything_is_deployed(store: Store) -> None:
    with pytest.raises(UserError, match="padding_bytes"):
        measure(store, FakePlatform, payload_bytes=(10_000_000,))


def test_package_is_padded_with_what_does_not_compress(store: Store) -> None:
    view = measure(store, FakePlatform, sweeps=("package",), package_bytes=(100_000, 300_000))
    small, large = (deployment.package_bytes for deployment in view.deployments())
    assert small is not None
    assert large is not None
    assert large - small == pytest.approx(200_000, abs=200)
    report = InvocationOverheadAnalyzer().analyze([view], IntervalSettings())
    assert [row["bytes"] for row in report.tables[0].rows] == [small, large]


def test_calls_of_one_deployment_differ_in_their_payload_only(store: Store) -> None:
    view = measure(store, FakePlatform, payload_bytes=(1024, LARGE))
    assert len(view.deployments()) == 1
    sent = {call.bytes_out for call in view.invocations(kind=Kind.MEASURED)}
    assert sent == {1024, LARGE}
    (probe,) = {call.bytes_out for call in view.invocations(kind=Kind.WARMUP)}
    assert probe < 200


def test_interrupted_cell_is_gone_on_with_and_its_samples_count(store: Store) -> None:
    class Impatience(Listener):
        def progressed(self, cell: Any, done: int, failed: int) -> None:
            raise KeyboardInterrupt

    registry = registry_with(FakePlatform)
    chosen = OverheadSettings(sweeps=("payload",), start=("cold",), payload_bytes=(LARGE,), repetitions=3)
    wanted = orchestrator.RunSpec(InvocationOverhead(), chosen, {"fake": FakeSettings()}, seed=1)
    with pytest.raises(KeyboardInterrupt):
        orchestrator.run(wanted, registry, store, Impatience())
    (run,) = store.runs()
    assert sum(store.counts(run.id).values()) == 1  # one cold start whose clock was not aligned any more
    view = store.view(orchestrator.run(replace(wanted, resume=run.id), registry, store, Listener()).id)
    window = judge_all(view.invocations(), StartType.COLD)
    assert len(window.samples) == 3
    assert window.discarded == {"the sandbox ended before its clock was aligned": 1}
