"""Many trials at once: one list of what is due next, and sleep until then.

Trials with the longest idle times begin first, so that all end when the longest does: a run takes as long as its
longest idle time and what deploying adds, not as long as the sum. Each trial has a function of its own, so that no
trial meets the sandboxes of another.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from sebsx.contracts.agenda import Agenda
from sebsx.contracts.calls import Calls
from sebsx.contracts.schedules import Arrivals
from sebsx.errors import PluginError
from sebsx.model import PLUGIN_FAILED, CellStatus, Kind
from sebsx.model.clock import client_clock
from sebsx_eviction.trials import read_trial, read_trials, unsettled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sebsx.contracts.functions import Function, FunctionSpec
    from sebsx.contracts.measurement import OpenCell
    from sebsx.contracts.session import Session
    from sebsx.model import Cell, Invocation
    from sebsx_eviction.trials import Trial

# Functions are deployed for so long before answers are looked for again: a call that is due may be so much late.
_DEPLOYING_S = 0.5
# Answers may be heard so much late for a deployment in between; where one takes longer, it waits until all are heard.
_UNNOTICED_S = 0.05


@dataclass(slots=True)
class CellWork:
    """A cell being measured.

    Args:
        cell: The cell.
        spec: What to deploy for each trial.
        d_init: Simultaneous sandboxes of a trial.
        next_idles: Given the trials that count, returns the idle times still wanted, all of which may be measured at
            the same time; none when the cell is complete.
        begun: The cell as it was begun.
        trials: Those that ended.
        outstanding: How many are waiting or under way.
        over: Whether it was closed.
    """

    cell: Cell
    spec: FunctionSpec
    d_init: int
    next_idles: Callable[[Sequence[Trial]], Sequence[float]]
    begun: OpenCell | None = None
    trials: list[Trial] = field(default_factory=list)
    outstanding: int = 0
    over: bool = False

    @property
    def good(self) -> list[Trial]:
        """The trials that count."""
        return [trial for trial in self.trials if trial.counts]

    @property
    def void(self) -> list[Trial]:
        """Those that ended and say nothing."""
        return [trial for trial in self.trials if trial.problem]


@dataclass(slots=True, eq=False)
class _Running:
    """A trial under way."""

    work: CellWork
    idle_s: float
    number: int
    function: Function
    stack: ExitStack
    bursts: int = 0
    before: list[Invocation] = field(default_factory=list)


class TrialRunner:
    """Measures cells, all at the same time.

    Args:
        session: What everything goes through.
        max_deployed: Most functions at a time.
        max_starting: Most sandboxes starting at a time; those of one trial always start together.
        max_bursts: Most bursts before an idle time until sandboxes are warm and different.
        max_void: Void trials after which a cell is given up.
        max_time_s: No trial begins after so long.
    """

    def __init__(
        self,
        session: Session,
        *,
        max_deployed: int,
        max_starting: int,
        max_bursts: int,
        max_void: int,
        max_time_s: float,
    ) -> None:
        self._session = session
        self._max_deployed = max_deployed
        self._max_starting = max_starting
        self._max_bursts = max_bursts
        self._max_void = max_void
        self._ends_s = time.monotonic() + max_time_s
        self._agenda = Agenda()
        self._number = count()
        self._waiting: list[tuple[float, int, CellWork, float]] = []
        self._running: dict[int, _Running] = {}
        self._done: deque[_Running] = deque()
        self._starting = 0
        self._deploy_s = self._teardown_s = 0.0  # the longest so far

    def run(self, works: Sequence[CellWork]) -> None:
        """Measure until every cell is complete or given up; what an interrupted run stored counts."""
        with ExitStack() as held:
            held.push(self._leave_all)
            for work in works:
                begun = work.begun = self._session.begin(work.cell)
                stored = self._session.view.invocations(cell_id=begun.cell_id)
                work.trials = read_trials(stored, work.d_init)  # those that were cut neither count nor are void
                self._want_more(work)
            while self._waiting or self._running:
                self._start()
                for sent in self._session.send(self._agenda):
                    running = self._running[sent.calls.function.id]
                    if sent.failure is not None:
                        self._fail(running, sent.calls, sent.failure)
                    elif running.work.over:
                        self._leave(running, sent.calls)
                    else:
                        self._hear(running, sent.calls, sent.invocations)
                    if self._deploy_s <= _UNNOTICED_S:
                        self._start()
                self._tear_down()
                self._rest()

    def _leave_all(self, *exc: Any) -> None:
        """Remove the functions that are left; after an interrupt none of them waits for records."""
        with ExitStack() as left:
            for running in (*self._running.values(), *self._done):
                left.callback(running.stack.__exit__, *exc)

    def _fail(self, running: _Running, calls: Calls, failure: PluginError) -> None:
        """Give a cell up of which a plugin failed; its other trials end as they come."""
        self._leave(running, calls)
        if not running.work.over:
            self._finish(running.work, CellStatus.FAILED, PLUGIN_FAILED, str(failure))

    def _leave(self, running: _Running, calls: Calls) -> None:
        """End a trial that nobody waits for any more."""
        if calls.kind is Kind.WARMUP and not running.bursts:
            self._starting -= running.work.d_init
        self._done.append(self._running.pop(running.function.id))

    def _want_more(self, work: CellWork) -> None:
        """Queue the trials that a cell still wants, or close it."""
        idles_s = work.next_idles(work.good)
        if not idles_s:
            self._finish(work, CellStatus.FINISHED, "all trials")
        elif len(work.void) >= self._max_void:
            reason = f"{len(work.void)} void trials"
            self._finish(work, CellStatus.FAILED, reason, f"the last one: {work.void[-1].problem}")
        else:
            work.outstanding = len(idles_s)
            for idle_s in idles_s:
                heapq.heappush(self._waiting, (-idle_s, next(self._number), work, idle_s))

    def _start(self) -> None:
        """Deploy for trials that wait, the longest first, as many as a moment allows.

        Sandboxes that start at once slow each other down, and the longest idle time would begin late.
        """
        until_s = time.monotonic() + _DEPLOYING_S
        while self._waiting and self._has_place:
            work = self._waiting[0][2]
            if self._starting and self._starting + work.d_init > self._max_starting:
                return
            _, _, work, idle_s = heapq.heappop(self._waiting)
            if work.over:
                continue
            if time.monotonic() > self._ends_s:
                self._finish(work, CellStatus.FAILED, "the time is up", "not all trials were begun (--last-trial)")
                continue
            self._deploy(work, idle_s)
            if time.monotonic() > until_s:
                return

    @property
    def _has_place(self) -> bool:
        return len(self._running) + len(self._done) < self._max_deployed

    def _deploy(self, work: CellWork, idle_s: float) -> None:
        stack, started_s = ExitStack(), time.monotonic()
        function = stack.enter_context(self._session.deployed(work.spec, [work.cell]))
        self._deploy_s = max(self._deploy_s, time.monotonic() - started_s)
        if function is None:  # the session closed the cell, with the reason
            work.over = True
            return
        try:
            simultaneous = function.simultaneous
        except PluginError as exc:
            stack.close()
            self._finish(work, CellStatus.FAILED, PLUGIN_FAILED, str(exc))
            return
        if not simultaneous:
            stack.close()
            error = f"platform {function.platform.name!r} takes one call after the other: sandboxes are never apart"
            self._finish(work, CellStatus.UNSUPPORTED, "no simultaneous calls", error)
        else:
            running = _Running(work, idle_s, self._session.next_round, function, stack)
            self._session.next_round += 1
            self._starting += work.d_init
            self._running[function.id] = running
            self._call(running, client_clock().now(), Kind.WARMUP)

    def _call(self, running: _Running, due_s: float, kind: Kind) -> None:
        work = running.work
        assert work.begun is not None
        calls = Calls(
            function=running.function,
            schedule=Arrivals([0.0] * work.d_init),
            cell_id=work.begun.cell_id,
            kind=kind,
            round=running.number,
        )
        self._agenda.add(calls, due_s)

    def _hear(self, running: _Running, calls: Calls, invocations: list[Invocation]) -> None:
        """Go on with a trial: settle its sandboxes, leave them alone, or be done with it."""
        d_init = running.work.d_init
        if calls.kind is Kind.WARMUP:
            running.bursts += 1
            if running.bursts == 1:
                self._starting -= d_init
            trouble = unsettled(invocations, d_init)
            if not trouble:
                running.before = invocations
                last_s = max(each.client_done_s for each in invocations)
                self._call(running, last_s + running.idle_s, Kind.MEASURED)
            elif running.bursts <= self._max_bursts:  # the first one finds nothing warm
                self._call(running, client_clock().now(), Kind.WARMUP)
            else:
                self._end(running, read_trial(running.number, invocations, invocations, d_init))
        else:
            self._end(running, read_trial(running.number, running.before, invocations, d_init))

    def _end(self, running: _Running, trial: Trial) -> None:
        self._done.append(self._running.pop(running.function.id))
        work = running.work
        work.trials.append(trial)
        work.outstanding -= 1
        if trial.problem:
            label = self._session.run.factors.label(work.cell.factors)
            self._session.observer.warned(f"{label}: trial {trial.round} is void: {trial.problem}")
        self._session.observer.progressed(work.cell, len(work.good) * work.d_init, len(work.void))
        if not work.outstanding and not work.over:
            self._want_more(work)

    def _finish(self, work: CellWork, status: CellStatus, reason: str, error: str | None = None) -> None:
        work.over = True
        assert work.begun is not None
        self._session.finish(work.begun, status, reason, error)

    def _tear_down(self) -> None:
        """Remove functions that are done with, while nothing is due soon or when others wait for their place.

        One whose records are late is removed only while nothing is due for as long as they may be waited for.
        """
        for running in list(self._done):
            full = bool(self._waiting) and not self._has_place
            records_s = self._session.records_wait_s(running.function)
            free_s = self._agenda.next_s - client_clock().now()
            if free_s < 2 * self._teardown_s + records_s and (records_s or not full):
                continue
            started_s = time.monotonic()
            self._done.remove(running)
            running.stack.close()
            if not records_s:
                self._teardown_s = max(self._teardown_s, time.monotonic() - started_s)

    def _rest(self) -> None:
        """Sleep until the next burst is due, unless there is something to deploy."""
        if self._running and not (self._waiting and self._has_place):
            self._session.wait(max(0.0, self._agenda.next_s - client_clock().now()))
