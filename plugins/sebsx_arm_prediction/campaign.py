"""One campaign: cells take turns in rounds, several functions at a time, never two calls of one function.

Each function of each machine is deployed once for all its steps. In a round every cell that is not done has one turn,
in seeded random order, so that drift hits both machines and all steps alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from sebsx.contracts.agenda import Agenda
from sebsx.contracts.calls import Calls
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.errors import UnsupportedError, UserError
from sebsx.model import PLUGIN_FAILED, Capability, CellStatus, Kind
from sebsx.model.clock import client_clock
from sebsx.running.rounds import StoppingRule, begin, rounds
from sebsx.running.sampling import Sampling, settle
from sebsx_arm_prediction.dataset import FROM
from sebsx_arm_prediction.steps import fit_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.functions import Function
    from sebsx.contracts.session import Session
    from sebsx.model import Cell
    from sebsx_arm_prediction.settings import CampaignSettings
    from sebsx_arm_prediction.steps import FittedSteps

    FunctionCells = tuple[FunctionSpec, list[Cell]]  # what is deployed, and the cells that are measured with it

FIRST_STEP, NO_STEPS = "1", "no steps"


class MeasuredFunction:
    """One deployed function, whose cells are called one after the other.

    Args:
        function: The deployment.
        samplers: Its cells, by the number of their step.
    """

    def __init__(self, function: Function, samplers: Sequence[Sampling]) -> None:
        self.function = function
        self.samplers = sorted(samplers, key=lambda sampler: int(sampler.measurement.cell.factors["size"]))

    def refuse(self, reason: str, error: str, status: CellStatus = CellStatus.FAILED) -> None:
        """End all its cells that are not closed."""
        for sampler in self.samplers:
            if not sampler.closed:
                sampler.end(status, reason, error)


class Campaign:
    """Measures the cells of one campaign.

    Args:
        session: What everything goes through.
        settings: Of the experiment.
        steps: Steps that were found before, by benchmark; those that are found are added.
    """

    def __init__(self, session: Session, settings: CampaignSettings, steps: dict[str, FittedSteps]) -> None:
        self._session = session
        self._settings = settings
        self._steps = steps
        self._without_steps: dict[str, str] = {}
        self._every = max(1, math.ceil(settings.runs / settings.sandboxes))

    def run(self, cells: Sequence[Cell]) -> None:
        """Measure some cells, in groups of as many functions as may be deployed at once.

        Steps are found where functions are profiled; the other machine gets those that have some.
        """
        for group in _groups(cells, self._settings.max_deployed):
            with ExitStack() as stack:
                profiled = list(self._deployed([each for each in group if _is_profiled(each)], stack))
                self._calibrate(profiled)
                others = [each for each in group if not _is_profiled(each)]
                functions = [*profiled, *self._deployed([each for each in others if self._has_steps(each)], stack)]
                settle([sampler for measured in functions for sampler in measured.samplers])
                for measured in functions:
                    self._set_input(measured)
                self._measure(functions)

    def _deployed(self, group: Sequence[FunctionCells], stack: ExitStack) -> Iterator[MeasuredFunction]:
        for spec, cells in group:
            function = stack.enter_context(self._session.deployed(spec, cells))
            if function is None:
                continue
            begun = [stack.enter_context(begin(self._session, cell, function)) for cell in cells]
            yield MeasuredFunction(function, [Sampling(each, self._rule) for each in begun if each is not None])

    @property
    def _rule(self) -> StoppingRule:
        settings = self._settings
        return StoppingRule(
            repetitions=settings.runs,
            max_attempts=settings.max_attempts,
            max_failures=settings.max_failures,
            max_time_s=settings.max_time_s,
        )

    def _calibrate(self, functions: Sequence[MeasuredFunction]) -> None:
        """Find the steps of functions on the machine that is profiled; those that have none are given up."""
        for measured in functions:
            benchmark = measured.function.known_source().benchmark
            if benchmark.name in self._steps:
                continue
            first = measured.samplers[0].measurement
            try:
                self._steps[benchmark.name] = fit_steps(self._session, benchmark, first, self._settings.ends_s)
            except UserError as exc:
                self._without_steps[benchmark.name] = str(exc)
                measured.refuse(NO_STEPS, str(exc))

    def _has_steps(self, each: FunctionCells) -> bool:
        """Tell whether steps of a function were found; the cells of one that has none are stored so."""
        _, cells = each
        name = cells[0].factors["benchmark"]
        if name in self._steps:
            return True
        error = self._without_steps.get(name, f"{name!r} could not be deployed where it is profiled")
        self._session.refuse(cells, NO_STEPS, error, CellStatus.FAILED)
        return False

    def _set_input(self, measured: MeasuredFunction) -> None:
        """Give each cell the input of its step."""
        benchmark = measured.function.known_source().benchmark
        for sampler in measured.samplers:
            if sampler.closed:
                continue
            measurement = sampler.measurement
            parameters = self._steps[benchmark.name].parameters(benchmark, int(measurement.cell.factors["size"]))
            try:
                measurement.function = self._session.called(measured.function, parameters)
            except UnsupportedError as exc:
                sampler.end(CellStatus.UNSUPPORTED, "not possible", str(exc))

    def _measure(self, functions: Sequence[MeasuredFunction]) -> None:
        samplers = [sampler for measured in functions for sampler in measured.samplers]
        for done, (number, turns) in enumerate(rounds(self._session, samplers)):
            if done % self._every == 0:
                self._renew(functions, number)
            self._take([sampler for sampler in turns if not sampler.closed], Kind.MEASURED, number)
            settle(samplers)

    def _renew(self, functions: Sequence[MeasuredFunction], number: int) -> None:
        """Give every function a new sandbox, where its platform can, and warm it up with its smallest step."""
        first = []
        for measured in functions:
            left = [sampler for sampler in measured.samplers if not sampler.closed]
            if not left:
                continue
            first.append(left[0])
            if Capability.FORCE_COLD in measured.function.platform.capabilities:
                with left[0].turn():
                    left[0].measurement.force_cold()
        self._take([sampler for sampler in first if not sampler.closed], Kind.WARMUP, number)

    def _take(self, turns: Sequence[Sampling], kind: Kind, number: int) -> None:
        """Take one call of each, in their order; as many functions at a time as the settings allow."""
        together = [turn for turn in turns if self._settings.parallel > 1 and turn.measurement.function.simultaneous]
        if together:
            _RoundOfCalls(self._session, together, kind, number, self._settings.parallel).send()
        for sampler in turns:
            if sampler not in together and not sampler.closed:
                with sampler.turn():
                    sampler.measurement.invoke(Closed(1), kind, number)


class _RoundOfCalls:
    """One call of each of some cells, several in flight, one of each function.

    Args:
        session: What calls.
        turns: The cells in their order.
        kind: Whether the calls count.
        number: Of the round.
        most: How many in flight.
    """

    def __init__(self, session: Session, turns: Sequence[Sampling], kind: Kind, number: int, most: int) -> None:
        self._session = session
        self._waiting = list(turns)
        self._kind = kind
        self._number = number
        self._most = most
        self._agenda = Agenda()
        self._in_flight: dict[Calls, Sampling] = {}

    def send(self) -> None:
        """Send all, and count what comes back."""
        self._start()
        for sent in self._session.send(self._agenda):
            sampler = self._in_flight.pop(sent.calls)
            if sent.failure is not None:
                sampler.end(CellStatus.FAILED, PLUGIN_FAILED, str(sent.failure))
            else:
                sampler.spent_s += sum(call.latency_s for call in sent.invocations)
                if self._kind is Kind.MEASURED:
                    sampler.measurement.heard(sent.invocations)
            self._start()

    def _start(self) -> None:
        """Put what may be in flight on the agenda: the next cell of each function that is idle."""
        busy = {sampler.measurement.function.id for sampler in self._in_flight.values()}
        for sampler in list(self._waiting):
            if len(self._in_flight) >= self._most:
                return
            measurement = sampler.measurement
            if measurement.function.id in busy:
                continue
            busy.add(measurement.function.id)
            self._waiting.remove(sampler)
            calls = Calls(
                function=measurement.function,
                schedule=Arrivals([0.0]),
                cell_id=measurement.cell_id,
                kind=self._kind,
                round=self._number,
            )
            self._in_flight[calls] = sampler
            self._agenda.add(calls, client_clock().now())


def _is_profiled(each: FunctionCells) -> bool:
    return bool(each[1][0].factors["side"] == FROM)


def spec_of(cell: Cell) -> FunctionSpec:
    """Return what to deploy for a cell: one function for all steps, which differ in what it is called with."""
    return replace(FunctionSpec.of(cell), size=FIRST_STEP)


def _groups(cells: Sequence[Cell], most: int) -> list[list[FunctionCells]]:
    """Return the cells by deployment, as many together as may be deployed, both machines of a function among them."""
    functions: dict[str, dict[tuple[str, FunctionSpec], list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        functions[cell.factors["benchmark"]][cell.factors["side"], spec_of(cell)].append(cell)
    pairs = [[(spec, those) for (_, spec), those in sides.items()] for sides in functions.values()]
    many = max(1, most // 2)
    return [list(chain.from_iterable(pairs[first : first + many])) for first in range(0, len(pairs), many)]
