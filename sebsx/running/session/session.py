"""All that an experiment can do, put together from deploying, sending and storing."""

from __future__ import annotations

import json
import random
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from sebsx.contracts.calls import Calls, Sent
from sebsx.contracts.measurement import Measurement, OpenCell
from sebsx.contracts.session import Session
from sebsx.errors import DeployError, LimitReachedError, PluginError, UnsupportedError
from sebsx.model import NOT_DEPLOYED, PLUGIN_FAILED, CellStatus, Kind
from sebsx.running.limits import Limits, Meter, ready_usd
from sebsx.running.provisioning import placed_cell
from sebsx.running.session.building import Builder
from sebsx.running.session.calling import Caller
from sebsx.running.session.deploying import Deployer, rng_for, round_trip_to
from sebsx.running.session.keeping import Keeper
from sebsx.running.session.storing import Recorder
from sebsx.sending.client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.building import Packager
    from sebsx.contracts.agenda import Agenda
    from sebsx.contracts.functions import Function, FunctionSpec
    from sebsx.contracts.groups import Group
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.runs import RunView
    from sebsx.contracts.scene import Scene
    from sebsx.model import Adoption, Artifact, Cell, Invocation, Plan, Run, StartType
    from sebsx.store import Store


class RunSession(Session):
    """A session of one run; what its methods do is said by `Session`.

    Args:
        run: The run as stored.
        store: Where everything goes.
        scene: The platforms, opened, and the benchmarks.
        packager: Builds packages.
        collectors: Names of the collectors to ship.
        observer: Hears of progress.
        meter: Stops the run at its limits; None for none.
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
        self._builder = Builder(scene, packager, collectors, observer)
        self._deployer = Deployer(run, store, scene, self._builder, observer)
        self._recorder = Recorder(run, store, scene.registry, observer, self._meter)
        self._keeper = Keeper(run, store, self._recorder)
        self._told: set[str] = set()  # errors of cells that were warned of
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
        return rng_for(self.run, *purpose)

    @property
    def view(self) -> RunView:
        return self.store.view(self.run.id)

    def pending(self, plan: Plan) -> list[Cell]:
        finished = {cell.hash for cell in self.view.cells() if cell.status == CellStatus.FINISHED}
        cells = [placed_cell(cell, self.scene) for cell in plan.cells if cell.hash not in finished]
        impossible: dict[str, list[Cell]] = {}
        for cell in cells:
            if cell.unsupported is not None:
                impossible.setdefault(cell.unsupported, []).append(cell)
        for reason, those in impossible.items():
            self.refuse(those, NOT_DEPLOYED, reason)
            self.observer.warned(f"{len(those)} cell{'s' if len(those) > 1 else ''} unsupported: {reason}")
        return [cell for cell in cells if cell.unsupported is None]

    def _unclosed(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return those of some cells that have no result yet."""
        closed = {cell.hash for cell in self.view.cells() if cell.status != CellStatus.RUNNING}
        return [cell for cell in cells if cell.hash not in closed]

    def prepare(self, specs: Iterable[FunctionSpec]) -> None:
        self._builder.build_ahead(specs)

    @contextmanager
    def deployed(self, spec: FunctionSpec, cells: Sequence[Cell]) -> Iterator[Function | None]:
        deployer = self._deployer
        with self._held(lambda: deployer.deploy(spec), lambda: deployer.label_of(spec), cells) as function:
            yield function

    @contextmanager
    def adopted(self, adoption: Adoption, cells: Sequence[Cell]) -> Iterator[Function | None]:
        with self._held(lambda: self._deployer.adopt(adoption), lambda: adoption.label, cells) as function:
            yield function

    @contextmanager
    def _held(
        self, take: Callable[[], Function], label: Callable[[], str], cells: Sequence[Cell]
    ) -> Iterator[Function | None]:
        try:
            function = take()
        except (UnsupportedError, DeployError, PluginError) as exc:
            status = CellStatus.UNSUPPORTED if isinstance(exc, UnsupportedError) else CellStatus.FAILED
            self.refuse(cells, PLUGIN_FAILED if isinstance(exc, PluginError) else NOT_DEPLOYED, str(exc), status)
            self.observer.warned(f"{label()}: {exc}")
            yield None
            return
        self._held_functions += 1
        try:
            try:
                yield function
            except LimitReachedError:  # what was measured before it has its records, too
                self._complete(function, cells)
                raise
            self._complete(function, cells)
        except PluginError as exc:
            self.refuse(self._unclosed(cells), PLUGIN_FAILED, str(exc), CellStatus.FAILED)
            if self._held_functions > 1:  # others are held around this one, and their cells go on behind it
                raise
            self.observer.warned(f"{function.label}: {exc}")
        finally:
            self._held_functions -= 1
            self._price_ready(function, self._deployer.teardown(function))

    def _complete(self, function: Function, cells: Sequence[Cell]) -> None:
        """Take in what comes last of a function; a plugin that fails in it costs its cells alone."""
        try:
            self._recorder.complete(function)
        except PluginError as exc:
            self.refuse(self._unclosed(cells), PLUGIN_FAILED, str(exc), CellStatus.FAILED)
            self.observer.warned(f"{function.label}: {exc}")
        away_s = round_trip_to(function)
        with self.store.together():
            self._deployer.record_round_trip(function, away_s)
            self._record_way(function)

    def _price_ready(self, function: Function, seconds: float) -> None:
        """Store and count what sandboxes cost that were kept ready for a function while it was there."""
        cost_usd = ready_usd(function.platform, function.deployment, seconds)
        if cost_usd:
            self.record("deployment.ready_usd", cost_usd, function=function)
            self._meter.ready(cost_usd)

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
        return replace(self._deployer.called(function, parameters or {}), read=read)

    def refuse(
        self, cells: Sequence[Cell], reason: str, error: str, status: CellStatus = CellStatus.UNSUPPORTED
    ) -> None:
        for cell in cells:
            self.store.design.finish_cell(self.store.design.add_cell(self.run.id, cell), status, reason, error)

    @contextmanager
    def measure(self, cell: Cell, function: Function, wanted: StartType | None = None) -> Iterator[Measurement]:
        with self.store.together():
            cell_id = self.store.design.add_cell(self.run.id, cell)
            if function.deployment.adopted:  # each of its cells may have another input
                self._deployer.record_input(function, cell_id)
            measured = list(self.view.invocations(cell_id=cell_id, kind=Kind.MEASURED))
        measurement = Measurement(session=self, cell=cell, cell_id=cell_id, function=function, wanted=wanted)
        for stored in measured:
            if measurement.counts(stored.status, stored.start_type):
                measurement.took(stored.latency_s, stored.sandbox_id)
        yield measurement

    def begin(self, cell: Cell) -> OpenCell:
        return OpenCell(cell=cell, cell_id=self.store.design.add_cell(self.run.id, cell))

    def finish(self, cell: OpenCell, status: CellStatus, reason: str, error: str | None = None) -> None:
        with self.store.together():
            self._recorder.end_cell(cell.cell_id)
            self.store.design.finish_cell(cell.cell_id, status, reason, error)
        if error:
            label = self.run.factors.label(cell.cell.factors)
            self.observer.warned(
                f"{label}: {reason}: {error}" if error not in self._told else f"{label}: failed likewise"
            )
            self._told.add(error)

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
        with self._keeper.execution(kind, cell_id=cell_id, function=function, purpose=purpose, number=round) as group:
            yield group

    def records_wait_s(self, function: Function) -> float:
        return self._recorder.wait_s(function)

    def wait(self, seconds: float) -> None:
        left_s = self._meter.time_left_s
        time.sleep(seconds if left_s is None else max(0.0, min(seconds, left_s)))
        if left_s is not None and seconds > left_s:
            self._meter.out_of_time()
