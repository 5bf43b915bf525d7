"""Measures functions in rounds: each cell has one turn a round, in random order, until all have enough."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.model import Capability, CellStatus, Kind, StartType, Status
from sebsx.running.blocks import Blocks, Spreading
from sebsx.running.rounds import rounds
from sebsx.running.sampling import Sampling, settle
from sebsx_function.inputs import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.session import Session
    from sebsx.model import Adoption, Cell, Invocation
    from sebsx_function.settings import FunctionSettings

# So often a function is tried that answers no first call, before it is left in peace.
_FIRST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """A function as one condition wants it, and the cells that are measured on it.

    Args:
        adoption: What the platform is asked for.
        cells: One for each input.
        payloads: The inputs, in the order of the cells.
        expected: What every answer must hold; Ellipsis for anything.
    """

    adoption: Adoption
    cells: Sequence[Cell]
    payloads: Sequence[bytes]
    expected: Any


def changes_sandboxes(platform: Platform[Any], settings: FunctionSettings) -> bool:
    """Return whether new sandboxes can serve warm calls in turn: a function as it is keeps its own."""
    return (settings.copy or settings.in_place) and Capability.FORCE_COLD in platform.capabilities


def measure(session: Session, slots: Sequence[Slot], settings: FunctionSettings) -> None:
    """Take all functions, measure their cells in rounds, and give the functions back.

    Every start type has a function of its own, so that forcing a cold start takes no warm sandbox away. Cells of one
    start type end together, so that every round that counts is whole; one that reaches a cap is given up alone. Warm
    functions get new sandboxes every few rounds, all in the same one, where that can be done: sandboxes are the units.
    """
    with ExitStack() as stack:
        functions: list[list[_Sampler]] = []
        for slot in slots:
            function = stack.enter_context(session.adopted(slot.adoption, slot.cells))
            if function is None:
                continue
            functions.append([])
            for cell, payload in zip(slot.cells, slot.payloads, strict=True):
                called = function.given(payload, partial(missing, slot.expected))
                start = cell.factors["start"]
                wanted = StartType(start) if start else None
                sampler = _Sampler(stack.enter_context(session.measure(cell, called, wanted)), settings)
                functions[-1].append(sampler)
        samplers = list(chain.from_iterable(functions))
        for sampler in samplers:
            with sampler.turn():
                sampler.prepare()
        settle(samplers)
        blocks = Blocks(Spreading.of(settings.repetitions, users=settings.concurrency))
        blocks.begin()
        for number, turns in rounds(session, samplers):
            if not blocks.left:
                blocks.begin()
                for alike in functions:
                    _renew([sampler for sampler in alike if not sampler.closed])
            for sampler in turns:
                if not sampler.closed:
                    sampler.sample(number)
            blocks.took(settings.concurrency)
            settle(samplers)


def _renew(samplers: Sequence[_Sampler]) -> None:
    """Have the next warm calls of a function, whatever their input, meet a sandbox that none of them has met."""
    if not samplers or not samplers[0].renewable:
        return
    with samplers[0].turn():
        samplers[0].measurement.force_cold()
    for sampler in samplers:
        if not sampler.closed:
            with sampler.turn():
                sampler.warm()


class _Sampler(Sampling):
    """One cell being measured, a turn at a time."""

    def __init__(self, measurement: Measurement, settings: FunctionSettings) -> None:
        super().__init__(measurement, settings)
        self._settings = settings

    @property
    def renewable(self) -> bool:
        """Whether its warm calls can be given new sandboxes."""
        platform = self.measurement.function.platform
        return self.start == StartType.WARM and changes_sandboxes(platform, self._settings)

    def prepare(self) -> None:
        """Warm up, and close the cell if the function answers none of its first calls."""
        if self.start == StartType.COLD:
            return
        left, tries, problem = self._settings.warmups, 0, ""
        while left and tries < _FIRST_TRIES:
            calls = self.warm(1)
            answered = [call for call in calls if call.status is Status.OK]
            if answered:
                left, tries = left - 1, 0
            else:
                tries += 1
                problem = f"{calls[0].status}: {(calls[0].error or 'no reason given').partition(chr(10))[0][:200]}"
        if left:
            tried = tries * self._settings.concurrency
            self.end(CellStatus.FAILED, f"none of the first {tried} calls was answered well", problem)

    def warm(self, times: int = 0) -> list[Invocation]:
        """Call it without counting, as often as the settings say unless told, and return the calls."""
        users = self._settings.concurrency
        return [
            call
            for _ in range(times or self._settings.warmups)
            for call in self.measurement.invoke(Arrivals([0.0] * users), Kind.WARMUP)
        ]

    def sample(self, number: int) -> None:
        """Take the samples of one round: as many as there are users."""
        with self.turn():
            if self.start == StartType.COLD:
                self.measurement.force_cold()
            users = self._settings.concurrency
            self.measurement.invoke(Closed(users, users=users), round=number)
