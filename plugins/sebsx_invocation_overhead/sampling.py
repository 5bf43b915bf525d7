"""Takes the turns of a cell: a window is align, measure, align again, and see what counts.

Each window has a sandbox of its own, where the platform can be made to start one: sandboxes are the units of what
follows (docs/methods/statistics.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.calls import Calls
from sebsx.contracts.schedules import Closed
from sebsx.model import Kind, StartType, Status
from sebsx.model.starts import counts
from sebsx.running.rounds import Turns
from sebsx_invocation_overhead.clocksync import since_minimum
from sebsx_invocation_overhead.windows import Window, clock_readings, exchange_of, judge, judge_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.measurement import Measurement
    from sebsx.model import Invocation
    from sebsx_invocation_overhead.clocksync import ClockExchange
    from sebsx_invocation_overhead.settings import OverheadSettings

# What the smallest payload is filled up with: nothing.
_BARE = {"padding_bytes": 0}


class WindowSampler(Turns):
    """Takes the windows of one cell, one a round; those of an interrupted run count.

    Args:
        measurement: The cell.
        settings: Numbers and caps.
    """

    def __init__(self, measurement: Measurement, settings: OverheadSettings) -> None:
        super().__init__(measurement, settings.rule)
        self._settings = settings
        self._wanted = StartType(measurement.cell.factors["start"])
        self._probe = measurement.function
        stored = measurement.session.view.invocations(cell_id=measurement.cell_id)
        self._total: Window = judge_all(stored, self._wanted)
        self._tried = 0

    @property
    def samples(self) -> Sequence[float]:
        """The overheads that are known."""
        return [sample.outbound_s for sample in self._total.samples]

    @property
    def attempts(self) -> int:
        """Measured calls, and windows that could not be begun: there would be no end to these."""
        return self._tried

    @property
    def trouble(self) -> str:
        """What failed, or why clocks could not be aligned."""
        discarded = ", ".join(f"{count} x {words}" for words, count in self._total.discarded.most_common(3))
        return self.measurement.first_error or discarded or "the clock could not be aligned"

    def prepare(self) -> None:
        """Make the payloads: the smallest one aligns clocks, that of the cell is measured."""
        measurement, called = self.measurement, self.measurement.session.called
        self._probe = called(measurement.function, _BARE, clock_readings)
        filling = {"padding_bytes": max(0, measurement.cell.factors["payload_bytes"] - len(self._probe.payload))}
        measurement.function = called(measurement.function, filling, clock_readings)

    def take(self, number: int) -> None:
        """Take one window."""
        calls = self._cold(number) if self._wanted is StartType.COLD else self._warm(number)
        measured = sum(call.kind is Kind.MEASURED for call in calls)
        self._tried += max(1, measured)
        self._total.add(judge(calls, self._wanted))

    def _cold(self, number: int) -> list[Invocation]:
        """Start a sandbox, and align its clock right after."""
        self.measurement.force_cold()
        calls = self.measurement.invoke(Closed(1), round=number)
        (first,) = calls
        if first.status is not Status.OK or not counts(first.start_type, self._wanted):
            return calls
        return calls + self._align(number, first.sandbox_id)

    def _warm(self, number: int) -> list[Invocation]:
        """Align the clock of the round's sandbox, call it a few times, and align it again."""
        calls = self._align(number, None)
        sandboxes = [call.sandbox_id for call in calls if exchange_of(call)]
        if not sandboxes:
            return calls
        missing = max(1, self.missing)  # none where others still have their turns
        calls += self.measurement.invoke(Closed(min(missing, self._settings.calls)), round=number)
        return calls + self._align(number, sandboxes[-1])

    def _align(self, number: int, sandbox: str | None) -> list[Invocation]:
        """Exchange until the shortest round trip has stood for a while, or the sandbox is gone.

        Args:
            number: Of the round.
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
                cell_id=self.measurement.cell_id,
                kind=Kind.WARMUP,
                round=number,
            )
            batch = self.measurement.session.send(probes).invocations
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
