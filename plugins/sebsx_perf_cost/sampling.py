"""How cells are sampled: one after the other, or all in rounds, until there are enough samples or a cap is reached."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from sebsx.contracts.measurement import SAME_FAILURES
from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.model import Capability, Kind, StartType, Status
from sebsx.model.starts import counts
from sebsx.running.blocks import Blocks
from sebsx.running.rounds import begin, rounds
from sebsx.running.sampling import Sampling, settle
from sebsx.stats import median
from sebsx_perf_cost.payloads import events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.functions import FunctionSpec
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.session import Session
    from sebsx.model import Cell, Factors
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
                    _alone(CellSampler(measurement, settings, Goal(settings)))


def interleave(session: Session, group: Sequence[tuple[FunctionSpec, Cell]], settings: PerfCostSettings) -> None:
    """Measure comparable cells in rounds (`sebsx.running.rounds`).

    Each cell has a deployment of its own, so that forcing a cold start never takes the sandbox of a warm cell. The
    samples of a round are pairs: every turn takes the same number (a burst is a turn). Warm cells have new sandboxes
    every few rounds, all in the same one (`sebsx.running.blocks`).
    """
    with ExitStack() as stack:
        samplers: list[CellSampler] = []
        goal = Goal(settings)
        for spec, cell in group:
            function = stack.enter_context(session.deployed(spec, [cell]))
            measurement = stack.enter_context(begin(session, cell, function)) if function else None
            if measurement is not None:
                samplers.append(CellSampler(measurement, settings, goal))
        spreading = settings.spreading if all(map(_can_renew, samplers)) else replace(settings.spreading, detect=0.0)
        blocks = Blocks(spreading, _pairs(samplers, session.run.factors))
        goal.blocks = blocks if spreading.detect else None
        settle(samplers)
        for number, turns in rounds(session, samplers):
            if not blocks.left:
                blocks.begin()
                for sampler in samplers:
                    sampler.renew()
            samples = min(_turn(turns), blocks.left)
            samples = min(sampler.at_most(samples) for sampler in turns)
            for sampler in turns:
                sampler.sample(samples, number)
            if blocks.took(max(samples, settings.concurrency)):
                blocks.end([sampler.served() for sampler in samplers], *_costs(samplers))
            settle(samplers)


class Goal:
    """When the cells of a design have enough: settings, whose number of samples is what their blocks want.

    Args:
        settings: What to measure and when to stop.
    """

    def __init__(self, settings: PerfCostSettings) -> None:
        self.blocks: Blocks | None = None
        self._settings = settings

    @property
    def repetitions(self) -> int:
        """Samples before the first look at their precision."""
        return max(self._settings.repetitions, self._planned)

    @property
    def precision(self) -> float:
        """Width of the interval of the median that is precise enough, as a share of it; 0 where blocks decide."""
        return 0.0 if self.blocks else self._settings.precision

    @property
    def max_failures(self) -> int:
        """Failed invocations after which a cell is given up."""
        return self._settings.max_failures

    @property
    def max_time_s(self) -> float:
        """Most time of a cell."""
        return self._settings.max_time_s

    @property
    def most_samples(self) -> int:
        """Samples at which a cell stops whatever the precision."""
        return self._planned or (self._settings.max_repetitions or self._settings.repetitions)

    @property
    def attempts(self) -> int:
        """Cap on the invocations of a cell."""
        return self._settings.attempts

    @property
    def _planned(self) -> int:
        return self.blocks.samples if self.blocks else 0


class CellSampler(Sampling):
    """Samples one cell batch by batch, in the way of its start type.

    Args:
        measurement: The cell.
        settings: What to measure and when to stop.
        goal: When there are enough samples; settings where nothing changes them.
    """

    def __init__(self, measurement: Measurement, settings: PerfCostSettings, goal: Goal) -> None:
        super().__init__(measurement, goal if measurement.wanted is StartType.WARM else Goal(settings))
        self.settings = settings
        self.prepared_s = 0.0
        self._events = events(settings.payload)
        self._ready = self._renewed = False
        self._served = len(measurement.good)

    def at_most(self, samples: int) -> int:
        """Return how many of some samples to take: a few until one ended well, since all may fail."""
        return samples if self.measurement.good else min(samples, SAME_FAILURES)

    def renew(self) -> None:
        """Have the next warm sample meet a sandbox that no sample has met."""
        if self.start == "warm":
            self._ready, self._renewed = False, True

    def served(self) -> list[float]:
        """Return the latencies of the samples since the last call."""
        before, self._served = self._served, len(self.measurement.good)
        return self.measurement.good[before:] if self.start == "warm" else []

    def prepare(self) -> None:
        """Bring sandboxes into the state that the start type asks for, unless they are."""
        if self._ready:
            return
        began_s = time.monotonic()
        if self.start == "warm":
            if self._renewed and self.measurement.attempts:
                self._discard_sandboxes()
            self._renewed = False
            # All users at once, so that each finds a sandbox of its own; again where a first call is slow for long.
            for _ in range(self.settings.warmups):
                self.measurement.invoke(Arrivals([0.0] * self.settings.concurrency), Kind.WARMUP, events=self._events)
        elif self.start == "sequential":
            self._discard_sandboxes()
        self._ready = True
        self.prepared_s = time.monotonic() - began_s

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
                self.measurement.invoke(Arrivals([0.0] * self.settings.burst_size), round=number, events=self._events)
            elif self.start == "cold":
                self._discard_sandboxes()
                self.measurement.invoke(Closed(1), round=number, events=self._events)
            else:
                users = self.settings.concurrency if self.start == "warm" else 1
                taken = self.measurement.invoke(
                    Closed(max(samples, users if number is not None else 1), users=users),
                    round=number,
                    events=self._events,
                )
                # A platform that ended the idle sandbox since the last turn is warmed up before the next.
                cold = [counts(call.start_type, "cold") for call in taken if call.status is Status.OK]
                self._ready = self.start != "warm" or number is None or not cold or not all(cold)

    def _discard_sandboxes(self) -> None:
        if _can_renew(self):
            self.measurement.force_cold()


def _alone(sampler: CellSampler) -> None:
    """Sample one cell until it has enough or a cap is reached, in batches of about the same time."""
    smallest, largest = _BATCH_INVOCATIONS
    batch, blocks = smallest, Blocks(sampler.settings.spreading)
    while not (sampler.closed or sampler.enough() or sampler.exhausted()):
        if not blocks.left:
            blocks.begin()
            sampler.renew()
        samples, before_s = sampler.at_most(max(1, min(sampler.missing, batch, blocks.left))), sampler.spent_s
        before = sampler.measurement.attempts
        sampler.sample(samples)
        blocks.took(sampler.measurement.attempts - before)
        batch = max(smallest, min(largest, int(samples * _BATCH_S / max(sampler.spent_s - before_s, 1e-6))))
    if not sampler.closed:
        sampler.close()


def _can_renew(sampler: CellSampler) -> bool:
    """Return whether a sampler's platform gives it a new sandbox when asked."""
    return Capability.FORCE_COLD in sampler.measurement.function.platform.capabilities


def _pairs(samplers: Sequence[CellSampler], factors: Factors) -> list[tuple[int, int]]:
    """Return the places of the warm samplers that are the base and the new version of one condition."""
    sides: dict[object, dict[str, int]] = defaultdict(dict)
    for place, sampler in enumerate(samplers):
        levels = sampler.measurement.cell.factors
        if sampler.start == "warm" and levels.get("version"):
            sides[factors.alike(levels)][levels["version"]] = place
    return [(both["base"], both["new"]) for both in sides.values() if len(both) == 2]


def _costs(samplers: Sequence[CellSampler]) -> tuple[float, float]:
    """Return how long it takes to renew a warm sandbox, and to call it once more; zeros where there is none."""
    warm = [sampler for sampler in samplers if sampler.start == "warm" and sampler.measurement.good]
    if not warm:
        return 0.0, 0.0
    return median([sampler.prepared_s for sampler in warm]), median([median(one.measurement.good) for one in warm])


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
