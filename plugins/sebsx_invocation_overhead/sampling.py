"""Measures one cell, window by window: align, measure, align again, and see what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.calls import Calls
from sebsx.contracts.schedules import Closed
from sebsx.errors import UnsupportedError
from sebsx.model import Capability, CellStatus, Kind, StartType, Status
from sebsx.model.starts import counts
from sebsx_invocation_overhead.clocksync import since_minimum
from sebsx_invocation_overhead.windows import Window, clock_readings, exchange_of, judge, judge_all

if TYPE_CHECKING:
    from sebsx.contracts.functions import Function
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.session import Session
    from sebsx.model import Cell, Invocation
    from sebsx_invocation_overhead.clocksync import ClockExchange
    from sebsx_invocation_overhead.settings import OverheadSettings

# What the smallest payload is filled up with: nothing.
_BARE = {"padding_bytes": 0}


def measure(session: Session, cell: Cell, function: Function, settings: OverheadSettings) -> None:
    """Measure a cell until it has enough samples or a cap is reached; samples of an interrupted run count."""
    start = StartType(cell.factors["start"])
    with session.measure(cell, function, start) as measurement:
        if start is StartType.COLD and Capability.FORCE_COLD not in function.platform.capabilities:
            session.finish(measurement, CellStatus.UNSUPPORTED, "no way to force a cold start")
            return
        try:
            probe = session.called(function, _BARE, clock_readings)
            filling = {"padding_bytes": max(0, cell.factors["payload_bytes"] - len(probe.payload))}
            measurement.function = session.called(function, filling, clock_readings)
        except UnsupportedError as exc:
            session.finish(measurement, CellStatus.UNSUPPORTED, "payload not taken", str(exc))
            return
        sampler = WindowSampler(measurement, probe, start, settings)
        while not (reason := sampler.over()):
            sampler.take()
        sampler.finish(reason)


class WindowSampler:
    """Takes the windows of one cell.

    Args:
        measurement: The cell; its function is called with the payload that is measured.
        probe: The same deployment called with the smallest payload.
        start: Start type wanted.
        settings: Numbers and caps.
    """

    def __init__(self, measurement: Measurement, probe: Function, start: StartType, settings: OverheadSettings) -> None:
        self._measurement = measurement
        self._session = measurement.session
        self._probe = probe
        self._start = start
        self._settings = settings
        self._wanted = settings.chosen.repetitions
        stored = self._session.view.invocations(cell_id=measurement.cell_id)
        self._total: Window = judge_all(stored, start)
        self._round = 0
        self._attempts = 0

    def over(self) -> str:
        """Return why to stop; empty to go on."""
        settings = self._settings
        if len(self._total.samples) >= self._wanted:
            return "enough samples"
        if self._measurement.failures >= settings.max_failures:
            return f"{self._measurement.failures} invocations failed"
        if self._attempts >= settings.attempts:
            return f"cap of {settings.attempts} attempts reached"
        if self._measurement.elapsed_s >= settings.max_time_s:
            return f"cap of {settings.max_time_s:g} s reached"
        return ""

    def take(self) -> None:
        """Take one window, which is a round of its own."""
        self._round = self._session.next_round
        calls = self._cold() if self._start is StartType.COLD else self._warm()
        measured = sum(call.kind is Kind.MEASURED for call in calls)
        self._attempts += max(1, measured)  # one that could not be begun is one too, or there is no end
        self._total.add(judge(calls, self._start))

    def finish(self, reason: str) -> None:
        """Store how the cell ended."""
        measurement, total = self._measurement, self._total
        enough = len(total.samples) >= self._wanted
        failed = not total.samples or (measurement.failures >= self._settings.max_failures and not enough)
        why = measurement.first_error
        if not why and total.discarded:
            why = ", ".join(f"{count} x {words}" for words, count in total.discarded.most_common(3))
        status = CellStatus.FAILED if failed else CellStatus.FINISHED
        self._session.finish(measurement, status, reason, (why or "the clock could not be aligned") if failed else None)

    def _cold(self) -> list[Invocation]:
        """Start a sandbox, and align its clock right after."""
        self._measurement.force_cold()
        calls = self._measurement.invoke(Closed(1), round=self._round)
        (first,) = calls
        if first.status is not Status.OK or not counts(first.start_type, self._start):
            return calls
        return calls + self._align(first.sandbox_id)

    def _warm(self) -> list[Invocation]:
        """Align a clock, call the sandbox a few times, and align it again."""
        calls = self._align(None)
        sandboxes = [call.sandbox_id for call in calls if exchange_of(call)]
        if not sandboxes:
            return calls
        missing = self._wanted - len(self._total.samples)
        calls += self._measurement.invoke(Closed(min(missing, self._settings.window)), round=self._round)
        return calls + self._align(sandboxes[-1])

    def _align(self, sandbox: str | None) -> list[Invocation]:
        """Exchange until the shortest round trip has stood for a while, or the sandbox is gone.

        Args:
            sandbox: Whose clock; None for that of whichever answers.
        """
        calls: list[Invocation] = []
        found: list[ClockExchange] = []
        wanted = self._settings.chosen.exchanges
        while since_minimum(found) < wanted and len(calls) < self._settings.max_exchanges:
            count = min(wanted - since_minimum(found) + (not found), self._settings.max_exchanges - len(calls))
            probes = Calls(
                function=self._probe,
                schedule=Closed(count),
                cell_id=self._measurement.cell_id,
                kind=Kind.WARMUP,
                round=self._round,
            )
            batch = self._session.send(probes).invocations
            calls += batch
            known = len(found)
            for call in batch:
                exchange = exchange_of(call)
                sandbox = sandbox or (call.sandbox_id if exchange else None)
                if exchange and call.sandbox_id == sandbox:
                    found.append(exchange)
            if len(found) == known:
                break
        return calls
