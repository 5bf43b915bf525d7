"""How cells are sampled: one after the other, or all in rounds, until there are enough samples or a cap is reached."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.model import Capability, Kind, Status
from sebsx.model.starts import counts
from sebsx.running.rounds import begin, rounds
from sebsx.running.sampling import Sampling, settle
from sebsx.stats import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.functions import FunctionSpec
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.session import Session
    from sebsx.model import Cell
    from sebsx_perf_cost.experiment import PerfCostSettings

# A batch is as long as a crash may cost: about this much time, within these numbers of invocations.
_BATCH_S = 1.0
_BATCH_INVOCATIONS = (10, 2000)
# A turn of a round is so short that drift hits all turns of the round alike, and there are about so many rounds where
# functions are so quick that a turn could take more than one sample.
_TURN_S = 0.15
_ROUNDS = 100


def one_by_one(session: Session, spec: FunctionSpec, cells: Sequence[Cell], settings: PerfCostSettings) -> None:
    """Deploy a condition once and measure its start types one after the other."""
    with session.deployed(spec, cells) as function:
        if function is None:
            return
        for cell in cells:
            with begin(session, cell, function) as measurement:
                if measurement is not None:
                    _alone(CellSampler(measurement, settings))


def interleave(session: Session, group: Sequence[tuple[FunctionSpec, Cell]], settings: PerfCostSettings) -> None:
    """Measure comparable cells in rounds (`sebsx.running.rounds`).

    Each cell has a deployment of its own, so that forcing a cold start never takes the sandbox of a warm cell. The
    samples of a round are pairs: every turn takes the same number (a burst is a turn).
    """
    with ExitStack() as stack:
        samplers = []
        for spec, cell in group:
            function = stack.enter_context(session.deployed(spec, [cell]))
            measurement = stack.enter_context(begin(session, cell, function)) if function else None
            if measurement is not None:
                samplers.append(CellSampler(measurement, settings))
        settle(samplers)
        for sampler in samplers:
            if not sampler.closed:
                with sampler.turn():
                    sampler.prepare()
        for number, turns in rounds(session, samplers):
            samples = _turn(turns)
            for sampler in turns:
                sampler.sample(samples, number)
            settle(samplers)


class CellSampler(Sampling):
    """Samples one cell batch by batch, in the way of its start type.

    Args:
        measurement: The cell.
        settings: What to measure and when to stop.
    """

    def __init__(self, measurement: Measurement, settings: PerfCostSettings) -> None:
        super().__init__(measurement, settings)
        self.settings = settings
        self._ready = False

    def prepare(self) -> None:
        """Bring sandboxes into the state that the start type asks for, unless they are."""
        if self._ready:
            return
        if self.start == "warm":
            # All users at once, so that each finds a sandbox of its own; again where a first call is slow for long.
            for _ in range(self.settings.warmups):
                self.measurement.invoke(Arrivals([0.0] * self.settings.concurrency), Kind.WARMUP)
        elif self.start == "sequential":
            self._discard_sandboxes()
        self._ready = True

    def sample(self, samples: int, number: int | None = None) -> None:
        """Take samples in the way of the start type: one when cold, a burst, or as many as told.

        Args:
            samples: How many calls of a sandbox that stays.
            number: The round of an interleaved design.
        """
        with self.turn():
            self.prepare()
            if self.start == "burst":
                self._discard_sandboxes()
                self.measurement.invoke(Arrivals([0.0] * self.settings.burst_size), round=number)
            elif self.start == "cold":
                self._discard_sandboxes()
                self.measurement.invoke(Closed(1), round=number)
            else:
                users = self.settings.concurrency if self.start == "warm" else 1
                taken = self.measurement.invoke(
                    Closed(max(samples, users if number is not None else 1), users=users), round=number
                )
                # A platform that ended the idle sandbox since the last turn is warmed up before the next.
                cold = [counts(call.start_type, "cold") for call in taken if call.status is Status.OK]
                self._ready = self.start != "warm" or number is None or not cold or not all(cold)

    def _discard_sandboxes(self) -> None:
        if Capability.FORCE_COLD in self.measurement.function.platform.capabilities:
            self.measurement.force_cold()


def _alone(sampler: CellSampler) -> None:
    """Sample one cell until it has enough or a cap is reached, in batches of about the same time."""
    smallest, largest = _BATCH_INVOCATIONS
    batch = smallest
    with sampler.turn():
        sampler.prepare()
    while not (sampler.closed or sampler.enough() or sampler.exhausted()):
        samples, before_s = max(1, min(sampler.missing, batch)), sampler.spent_s
        sampler.sample(samples)
        batch = max(smallest, min(largest, int(samples * _BATCH_S / max(sampler.spent_s - before_s, 1e-6))))
    if not sampler.closed:
        sampler.close()


def _turn(turns: Sequence[CellSampler]) -> int:
    """Return how many samples every turn of a round takes: short turns, and many rounds rather than long ones."""
    if any(sampler.start == "cold" for sampler in turns):
        return 1  # a cold turn takes one, and longer than the call
    slowest_s = max(
        (median(sampler.measurement.good) for sampler in turns if sampler.measurement.good), default=_TURN_S
    )
    most = turns[0].settings.repetitions // _ROUNDS
    wanted = max(sampler.missing for sampler in turns)
    return max(1, min(most, wanted, int(_TURN_S / max(slowest_s, 1e-6))))
