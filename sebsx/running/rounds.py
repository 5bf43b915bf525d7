"""Interleaved measuring: cells that are compared take turns, in rounds of seeded random order.

In each round every cell that is not done has one turn, so that drift of the platform hits all alike, and the samples
of a round are pairs. Rounds are numbered through the run, and their order follows from seed and number alone. A resumed
run begins a new round, since the halves of an interrupted one would not have met the same circumstances.

`interleave` is all that most experiments need; those with turns of their own build on `groups`, `begin` and `rounds`.

Source: Abedi & Brecht, Conducting Repeatable Experiments in Highly Variable Cloud Computing Environments (ICPE'17):
randomized multiple interleaved trials.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, count
from math import ceil
from typing import TYPE_CHECKING, Protocol, TypeVar

from sebsx.contracts.functions import FunctionSpec
from sebsx.errors import UnsupportedError
from sebsx.model import Capability, CellStatus, StartType
from sebsx.model.starts import COUNTED
from sebsx.running.sampling import Sampling, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.functions import Function
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.session import Session
    from sebsx.model import Cell, Factors

    Turn = Callable[[Measurement, int], object]

MOST_DEPLOYED = 32


class TakesTurns(Protocol):
    """What has a turn in each round until it is closed."""

    @property
    def closed(self) -> bool:
        """Whether it is stored how its cell ended."""
        ...


T = TypeVar("T", bound=TakesTurns)


class Turns(Sampling):
    """One cell, and how its turns are taken; an experiment derives from it whose samples are more than good calls."""

    def prepare(self) -> None:
        """Do what comes before the first turn.

        Raises:
            UnsupportedError: If the cell cannot be measured; that is stored.
        """

    def renew(self) -> bool:
        """Have the next call meet a new sandbox, and return whether it does."""
        if self.closed or Capability.FORCE_COLD not in self.measurement.function.platform.capabilities:
            return False
        with self.turn():
            self.measurement.force_cold()
        return not self.closed

    @abstractmethod
    def take(self, number: int) -> None:
        """Take the samples of one turn.

        Args:
            number: Of the round.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """When a cell has enough samples, and when it is given up; settings with the same fields do as well.

    Args:
        repetitions: Samples before the first look at their precision.
        precision: Width of the interval of the median that is precise enough, as a share of it.
        max_repetitions: Samples at which a cell stops whatever the precision; 0 for `repetitions`.
        max_attempts: Most invocations of a cell; 0 for 3 x samples + 10.
        max_failures: Failed invocations after which a cell is given up.
        max_time_s: Most time that the turns of a cell take.
    """

    repetitions: int = 30
    precision: float = 0.05
    max_repetitions: int = 0
    max_attempts: int = 0
    max_failures: int = 10
    max_time_s: float = 600.0

    @property
    def most_samples(self) -> int:
        """Samples at which a cell stops whatever the precision."""
        return self.max_repetitions or self.repetitions

    @property
    def attempts(self) -> int:
        """Cap on the invocations of a cell."""
        return self.max_attempts or 3 * self.most_samples + 10


def interleave(
    session: Session,
    cells: Sequence[Cell],
    rule: StoppingRule | Callable[[Cell], StoppingRule],
    take: Turn,
    *,
    prepare: Callable[[Measurement], object] = lambda _measurement: None,
    spec_of: Callable[[Cell], FunctionSpec] = FunctionSpec.of,
    most: int = MOST_DEPLOYED,
    renew_every: int = 0,
    shared: bool = False,
) -> None:
    """Measure cells in rounds, each on a function of its own, until all have enough or are given up.

    What an interrupted run finished is left out by `session.pending`; the samples of unfinished cells count. A plugin
    that fails, a platform or a benchmark, ends the cell whose turn it is, and no other.

    Args:
        session: What everything goes through.
        cells: What is compared.
        rule: When a cell ends, or a function of the cell, where some have longer turns than others.
            Cells of one start type end together, so that every round that counts is whole.
        take: Takes the samples of one turn: it is handed the measurement and the number of the round, and hands that
            on (`measurement.invoke(..., round=number)`).
        prepare: Called once for each cell before its first turn: warms up. One that raises `UnsupportedError` makes the
            cell unsupported.
        spec_of: What to deploy for a cell.
        most: Most functions deployed at once; more than that are measured in groups.
        renew_every: Rounds after which all cells get new sandboxes and are prepared again, where the platform can force
            it: calls of one sandbox are one unit of what is compared. 0 keeps the sandboxes.
        shared: Whether cells with the same spec are measured on one function: their turns leave no trace.
    """

    def turns_of(measurement: Measurement) -> Turns:
        cell = measurement.cell
        return _Turns(measurement, rule(cell) if callable(rule) else rule, take, prepare)

    take_turns(session, cells, turns_of, spec_of=spec_of, most=most, renew_every=renew_every, shared=shared)


def take_turns(
    session: Session,
    cells: Sequence[Cell],
    turns_of: Callable[[Measurement], Turns],
    *,
    spec_of: Callable[[Cell], FunctionSpec] = FunctionSpec.of,
    most: int = MOST_DEPLOYED,
    renew_every: int = 0,
    shared: bool = False,
) -> None:
    """Do as `interleave` does, with turns of a class of the experiment's.

    Args:
        session: What everything goes through.
        cells: What is compared.
        turns_of: Returns how the turns of a cell are taken.
        spec_of: What to deploy for a cell.
        most: Most functions deployed at once.
        renew_every: Rounds after which all cells get new sandboxes; 0 keeps them.
        shared: Whether cells with the same spec are measured on one function.
    """
    session.prepare(map(spec_of, cells))
    for group in _groups(session, cells, spec_of, most, shared):
        with ExitStack() as stack:
            turns = []
            for cell, function in _served(session, group, spec_of, stack, shared):
                measurement = stack.enter_context(begin(session, cell, function))
                if measurement is not None:
                    turns.append(turns_of(measurement))
            settle(turns)
            for each in turns:
                if not each.closed:
                    _prepare(each)
            for done, (number, those) in enumerate(rounds(session, turns)):
                renew = bool(renew_every and done) and not done % renew_every
                for each in those:
                    if renew and each.renew():
                        _prepare(each)
                    if not each.closed:
                        with each.turn():
                            each.take(number)
                settle(turns)


def _prepare(turns: Turns) -> None:
    with turns.turn():
        try:
            turns.prepare()
        except UnsupportedError as exc:
            turns.end(CellStatus.UNSUPPORTED, "not possible", str(exc))


def _groups(
    session: Session, cells: Sequence[Cell], spec_of: Callable[[Cell], FunctionSpec], most: int, shared: bool
) -> list[list[Cell]]:
    """Return the cells that take turns with each other; those that share a function do."""
    if not shared:
        return groups(cells, session.run.factors, most)
    alike: dict[FunctionSpec, list[Cell]] = defaultdict(list)
    for cell in cells:
        alike[spec_of(cell)].append(cell)
    members = list(alike.values())
    return [list(chain.from_iterable(members[first : first + most])) for first in range(0, len(members), most)]


def _served(
    session: Session,
    group: Sequence[Cell],
    spec_of: Callable[[Cell], FunctionSpec],
    stack: ExitStack,
    shared: bool,
) -> Iterator[tuple[Cell, Function]]:
    """Deploy what the cells of a group want, and yield each cell that has its function."""
    alike: dict[object, list[Cell]] = defaultdict(list)
    for cell in group:
        alike[spec_of(cell) if shared else cell.hash].append(cell)
    for those in alike.values():
        function = stack.enter_context(session.deployed(spec_of(those[0]), those))
        if function is not None:
            for cell in those:
                yield cell, function


def rounds(session: Session, cells: Sequence[T]) -> Iterator[tuple[int, list[T]]]:
    """Yield for each round its number and who has a turn, in seeded random order, until all are closed.

    Whoever takes the turns closes what is done before the next round is asked for (`sebsx.running.sampling.settle`).
    """
    for number in count(session.next_round):
        turns = [cell for cell in cells if not cell.closed]
        if not turns:
            return
        session.rng_for("round", number).shuffle(turns)
        yield number, turns


@contextmanager
def begin(session: Session, cell: Cell, function: Function) -> Iterator[Measurement | None]:
    """Begin to measure a cell, of which samples of its start type count.

    Yields None, with the reason stored, where the platform cannot force the cold start that is asked for.
    """
    start = str(cell.factors.get("start"))
    with session.measure(cell, function, StartType(start) if start in COUNTED else None) as measurement:
        if start == StartType.COLD and Capability.FORCE_COLD not in function.platform.capabilities:
            session.finish(measurement, CellStatus.UNSUPPORTED, "no way to force a cold start")
            yield None
        else:
            yield measurement


def groups(cells: Sequence[Cell], factors: Factors, most: int = MOST_DEPLOYED) -> list[list[Cell]]:
    """Return the cells that take turns with each other: all, or as many as may be deployed at once.

    Each cell is a deployment of its own. Where that is too many, first the start types are measured apart, then
    conditions; the base and the new side of one condition stay together, unless even they are too many.

    Args:
        cells: What is compared.
        factors: Of the design, which say what is a side.
        most: Most cells of a group.
    """
    if len(cells) <= most:
        return [list(cells)] if cells else []
    apart: dict[object, list[Cell]] = defaultdict(list)
    for cell in cells:
        apart[cell.factors.get("start")].append(cell)
    return [part for group in apart.values() for part in _parts(group, factors, most)]


def told_apart(cells: Sequence[Cell], factors: Factors, most: int, name: str) -> str:
    """Return a note for the plan where cells are measured in several groups; empty where all are in one."""
    parts = groups(cells, factors, most)
    if len(parts) < 2:
        return ""
    return (
        f"the {len(cells)} cells of {name} are interleaved in {len(parts)} groups, because at most {most} functions "
        "are deployed at once; drift between groups may look like a difference (--max-deployed)"
    )


def _parts(cells: Sequence[Cell], factors: Factors, most: int) -> Iterator[list[Cell]]:
    """Yield parts of about the same length, which tear no sides apart."""
    sides: dict[object, list[Cell]] = defaultdict(list)
    for cell in cells:
        sides[factors.alike(cell.factors)].append(cell)
    length = ceil(len(cells) / ceil(len(cells) / most))
    part: list[Cell] = []
    for both in sides.values():
        if part and (len(part) >= length or len(part) + len(both) > most):
            yield part
            part = []
        part = [*part, *both]
        while len(part) > most:
            yield part[:most]
            part = part[most:]
    if part:
        yield part


class _Turns(Turns):
    """Turns as an experiment takes them by functions of its own."""

    def __init__(
        self, measurement: Measurement, rule: StoppingRule, take: Turn, prepare: Callable[[Measurement], object]
    ) -> None:
        super().__init__(measurement, rule)
        self._take = take
        self._prepare = prepare

    def prepare(self) -> None:
        self._prepare(self.measurement)

    def take(self, number: int) -> None:
        self._take(self.measurement, number)
