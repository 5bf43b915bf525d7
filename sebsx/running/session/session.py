"""The hands of an experiment: everything it may do, each put together from deploying, sending and storing."""

from __future__ import annotations

import json
import random
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from sebsx.contracts.calls import Calls, Sent
from sebsx.errors import DeployError, PluginError, UnsupportedError
from sebsx.model import NOT_DEPLOYED, PLUGIN_FAILED, CellStatus, Kind
from sebsx.running.limits import Limits, Meter, ready_usd
from sebsx.running.session.calling import Caller
from sebsx.running.session.deploying import Deployer, rng_for
from sebsx.running.session.keeping import Keeper
from sebsx.running.session.measurement import Measurement
from sebsx.running.session.storing import Recorder
from sebsx.sending.client import HttpClient
from sebsx.sending.roundtrip import round_trip_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.building import Packager
    from sebsx.contracts.agenda import Agenda
    from sebsx.contracts.functions import Function, FunctionSpec
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.scene import Scene
    from sebsx.model import Adoption, Artifact, Cell, Invocation, Plan, Run, StartType
    from sebsx.model.stored import StoredInvocation
    from sebsx.running.session.keeping import Group
    from sebsx.store import Store


class Session:
    """The hands of an experiment. Used from one thread; every batch is committed before the next is sent.

    Args:
        run: The run as stored.
        store: Where everything goes.
        scene: The platforms, opened, and the benchmarks.
        packager: Builds packages.
        collectors: Names of the collectors to ship.
        observer: Hears of progress.
        meter: Stops the run at its limits; None for none.

    Attributes:
        rng: The source of every random choice, seeded with the run's seed.
        next_round: The first unused number of a round. Rounds are numbered through the run, so that what was measured
            at different times is never taken for a pair.
    """

    def __init__(
        self,
        run: Run,
        store: Store,
        scene: Scene,
        packager: Packager,
        collectors: Sequence[str],
        observer: Observer,
        meter: Meter | None = None,
    ) -> None:
        self.run = run
        self.store = store
        self.scene = scene
        self.observer = observer
        self.rng = random.Random(run.seed)  # noqa: S311  # a seeded design, not a secret
        self._held_functions = 0
        self._meter = meter or Meter(Limits())
        self._client = HttpClient()
        self._deployer = Deployer(run, store, scene, packager, collectors, observer)
        self._recorder = Recorder(run, store, scene.registry, observer, self._meter)
        self._keeper = Keeper(run, store, self._recorder)
        self._caller = Caller(self._client, self._meter, self._recorder, self._keeper.record, store.next_round(run.id))

    @property
    def next_round(self) -> int:
        """The first unused number of a round; one that is taken is told by setting the next."""
        return self._caller.next_round

    @next_round.setter
    def next_round(self, number: int) -> None:
        self._caller.next_round = number

    def close(self) -> None:
        """Tear down what is still deployed and close connections. A second call is harmless."""
        self._deployer.close()
        self._client.close()

    def rng_for(self, *purpose: object) -> random.Random:
        """Return a generator for one purpose: the same for a seed, whatever was drawn or interrupted before."""
        return rng_for(self.run, *purpose)

    def pending(self, plan: Plan) -> list[Cell]:
        """Return the cells that still have to be measured: all, or after an interruption the unfinished."""
        finished = {cell.hash for cell in self.store.view(self.run.id).cells() if cell.status == CellStatus.FINISHED}
        return [cell for cell in plan.cells if cell.hash not in finished]

    def _unclosed(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return those of some cells that have no result yet."""
        closed = {cell.hash for cell in self.store.view(self.run.id).cells() if cell.status != CellStatus.RUNNING}
        return [cell for cell in cells if cell.hash not in closed]

    @contextmanager
    def deployed(self, spec: FunctionSpec, cells: Sequence[Cell]) -> Iterator[Function | None]:
        """Deploy a function for some cells, and tear it down afterwards.

        Yields None where the platform cannot or would not deploy it: the cells are then stored as
        unsupported or failed, with the reason, and the experiment goes on with the next. Where a plugin fails in the
        body, its platform or its benchmark, the body ends, what is unfinished of the cells is stored as failed, and
        the experiment goes on behind it.
        """
        with self._held(lambda: self._deployer.deploy(spec), spec.label, cells) as function:
            yield function

    @contextmanager
    def adopted(self, adoption: Adoption, cells: Sequence[Cell]) -> Iterator[Function | None]:
        """Take a function that exists already for some cells, and undo afterwards whatever that took.

        It is called with nothing until it is `given` an input. Yields None as `deployed` does.
        """
        with self._held(lambda: self._deployer.adopt(adoption), adoption.label, cells) as function:
            yield function

    @contextmanager
    def _held(self, take: Callable[[], Function], label: str, cells: Sequence[Cell]) -> Iterator[Function | None]:
        try:
            function = take()
        except (UnsupportedError, DeployError, PluginError) as exc:
            status = CellStatus.UNSUPPORTED if isinstance(exc, UnsupportedError) else CellStatus.FAILED
            self.refuse(cells, PLUGIN_FAILED if isinstance(exc, PluginError) else NOT_DEPLOYED, str(exc), status)
            self.observer.warned(f"{label}: {exc}")
            yield None
            return
        self._held_functions += 1
        since_s = time.monotonic()
        try:
            try:
                self._record_round_trip(function)
                yield function
                self._recorder.complete(function)
                self._record_round_trip(function)
                self._record_way(function)
            finally:
                self._held_functions -= 1
                self._deployer.teardown(function)
                self._price_ready(function, time.monotonic() - since_s)
        except PluginError as exc:
            self.refuse(self._unclosed(cells), PLUGIN_FAILED, str(exc), CellStatus.FAILED)
            if self._held_functions:  # others are held around this one, and end with it
                raise
            self.observer.warned(f"{label}: {exc}")

    def _price_ready(self, function: Function, seconds: float) -> None:
        """Store and count what sandboxes cost that were kept ready for a function while it was there."""
        cost_usd = ready_usd(function.platform, function.deployment, seconds)
        if cost_usd:
            self.record("deployment.ready_usd", cost_usd, function=function)
            self._meter.ready(cost_usd)

    def _record_round_trip(self, function: Function) -> None:
        """Store how far away a function is: before it is measured and after."""
        endpoint = function.deployment.endpoint
        seconds = round_trip_s(endpoint) if endpoint else None
        if seconds is not None:
            self.record("client.round_trip_s", seconds, function=function)

    def _record_way(self, function: Function) -> None:
        """Store by which address, and through which proxy, a function was reached."""
        way = self._client.way_to(function.deployment.endpoint or "")
        if not way:
            return
        self.store.add_value(self.run.id, "client.way", None, deployment_id=function.id, text=json.dumps(way))
        if "proxy" in way:
            self.observer.warned(f"{function.label}: its latencies include the proxy {way['proxy']}")
        if "fallback" in way:
            self.observer.warned(f"{function.label}: {way['fallback']}; the wait is in the time to connect")

    def called(
        self,
        function: Function,
        parameters: Mapping[str, Any] | None = None,
        read: Callable[[Any], Mapping[str, float]] | None = None,
    ) -> Function:
        """Return the same deployment called with other input: nothing is deployed again.

        Args:
            function: The deployment.
            parameters: Of the benchmark, on top of those it was deployed with.
            read: Returns samples from the output of an invocation that ended well.

        Raises:
            UnsupportedError: If the platform does not take so large a payload.
        """
        return replace(self._deployer.called(function, parameters or {}), read=read)

    def refuse(
        self, cells: Sequence[Cell], reason: str, error: str, status: CellStatus = CellStatus.UNSUPPORTED
    ) -> None:
        """Store cells that cannot be measured, with the reason: that is a result, too."""
        for cell in cells:
            self.store.finish_cell(self.store.add_cell(self.run.id, cell), status, reason, error)

    @contextmanager
    def measure(self, cell: Cell, function: Function, wanted: StartType | None = None) -> Iterator[Measurement]:
        """Begin to measure a cell; samples stored by an interrupted run count.

        The body ends it with `finish`; a body that raises leaves the cell running, to be resumed.
        """
        cell_id = self.store.add_cell(self.run.id, cell)
        measurement = Measurement(self, cell, cell_id, function, wanted)
        if function.deployment.adopted:  # each of its cells may have another input
            self._deployer.record_input(function, cell_id)
        for stored in self.store.view(self.run.id).invocations(cell_id=cell_id, kind=Kind.MEASURED):
            if measurement.counts(stored.status, stored.start_type):
                measurement.good.append(stored.latency_s)
        yield measurement

    def finish(self, measurement: Measurement, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close a cell with the reason why sampling stopped."""
        self.finish_cell(measurement.cell, measurement.cell_id, status, reason, error)

    def begin_cell(self, cell: Cell) -> tuple[int, list[StoredInvocation]]:
        """Begin a cell that several functions serve; return its row and what an interrupted run stored of it."""
        cell_id = self.store.add_cell(self.run.id, cell)
        return cell_id, list(self.store.view(self.run.id).invocations(cell_id=cell_id))

    def finish_cell(self, cell: Cell, cell_id: int, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close a cell that was begun with `begin_cell`."""
        self.store.finish_cell(cell_id, status, reason, error)
        if error:
            self.observer.warned(f"{self.run.factors.label(cell.factors)}: {reason}: {error}")

    @overload
    def send(
        self, work: Calls, *, streamed: bool = ..., on_stored: Callable[[Sequence[Invocation]], None] = ...
    ) -> Sent: ...

    @overload
    def send(self, work: Agenda) -> Iterator[Sent]: ...

    def send(
        self,
        work: Calls | Agenda,
        *,
        streamed: bool = False,
        on_stored: Callable[[Sequence[Invocation]], None] = lambda _invocations: None,
    ) -> Sent | Iterator[Sent]:
        """Send calls, store what came back, and return it: the one way to call functions.

        Calls are one batch: all are answered, the provider's figures added, and then all is committed. Streamed, they
        are a phase of load without a pause, stored as it goes on: a process that is killed loses less than a second of
        it, memory does not grow with it, and the generator's health is stored as values of the cell (`generator.*`).

        An agenda is calls of several functions, each due at a time of its own. What belongs together is yielded when
        all of it is answered and stored. Functions do not wait for each other: what is due leaves on time while others
        are in flight, and more may be added meanwhile. It ends when nothing is due and everything was answered; what is
        due later stays on the agenda (`agenda.next_s`), so that there is time to deploy and to tear down.

        A failed invocation is a result with a status; only a platform that ends the run raises.

        Args:
            work: What is called, and when.
            streamed: Whether it is a phase of load.
            on_stored: Called with the invocations of a phase that were just committed.

        Raises:
            LimitReachedError: Before a batch that would exceed a limit; after what was sent of a phase or an agenda is
                answered and stored.
            UnsupportedError: If calls may be in flight together where the platform makes one after the other.
        """
        if isinstance(work, Calls):
            return self._caller.phase(work, on_stored) if streamed else self._caller.batch(work)
        return self._caller.attend(work)

    def record(
        self,
        metric: str,
        value: float | str,
        *,
        cell_id: int | None = None,
        function: Function | None = None,
        invocation: Invocation | None = None,
    ) -> None:
        """Store a number or words about the run, a cell, a deployment or an invocation.

        A number of an invocation that is stored already becomes one more sample of it.

        Raises:
            StoreError: If the metric is not registered.
        """
        self._keeper.record(metric, value, cell_id=cell_id, function=function, invocation=invocation)

    def keep(
        self,
        path: Path,
        *,
        role: str,
        name: str = "",
        cell_id: int | None = None,
        function: Function | None = None,
        invocation: Invocation | None = None,
    ) -> Artifact:
        """Keep a file with the run (a model, a data set, a log), whatever its size; it may be deleted afterwards.

        Args:
            path: The file.
            role: What it is there, in one word: `model`, `dataset`, `log`.
            name: Its name; that of the file where none is given.
            cell_id: The cell it belongs to.
            function: The deployment it belongs to.
            invocation: The invocation it belongs to.

        Raises:
            UserError: If it cannot be read.
        """
        return self._keeper.keep(path, role=role, name=name, cell_id=cell_id, function=function, invocation=invocation)

    @contextmanager
    def execution(
        self,
        kind: str,
        cell_id: int,
        function: Function | None = None,
        purpose: Kind = Kind.MEASURED,
        round: int | None = None,  # noqa: A002  # the column
    ) -> Iterator[Group]:
        """Measure invocations as one: a workflow, a message, a scale-out.

        What `send` stores inside belongs to the group. Its duration is the metric `execution.duration_s`;
        what else is measured of it goes into `figures`. Groups do not lie within each other.

        Args:
            kind: What it is, in one word.
            cell_id: The cell it belongs to.
            function: The deployment, where there is one for all of it.
            purpose: Whether it counts.
            round: Of an interleaved design.
        """
        with self._keeper.execution(kind, cell_id=cell_id, function=function, purpose=purpose, number=round) as group:
            yield group

    def wait(self, seconds: float) -> None:
        """Wait, and end at once when interrupted or out of time."""
        left_s = self._meter.time_left_s
        time.sleep(seconds if left_s is None else max(0.0, min(seconds, left_s)))
        if left_s is not None and seconds > left_s:
            self._meter.out_of_time()
