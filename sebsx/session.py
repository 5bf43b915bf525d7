"""What an experiment may do: deploy, invoke, force cold, record, wait. Everything it does is stored at once."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from ulid import ULID

from sebsx.environment import source_of
from sebsx.errors import DeployError, PlatformError, UnsupportedError, UserError
from sebsx.interrupts import interrupts
from sebsx.invocations import add_record, read_reply
from sebsx.limits import Limits, Meter
from sebsx.load.client import HttpClient, Request
from sebsx.load.clock import client_clock
from sebsx.load.roundtrip import round_trip_s
from sebsx.load.schedule import OVER
from sebsx.model import Capability, CellStatus, FunctionConfig, Kind, StartType, Status, content_hash
from sebsx.recording import Recording, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sebsx.benchmarks import Benchmark
    from sebsx.load.agenda import Agenda, Burst
    from sebsx.load.health import Health
    from sebsx.load.schedule import Schedule
    from sebsx.model import Adoption, Cell, Deployment, Invocation, Package, Plan, ProviderRecord, Reply, Run
    from sebsx.packaging import Packager
    from sebsx.platforms import Platform
    from sebsx.scene import Scene
    from sebsx.storage import Storage
    from sebsx.store import Store
    from sebsx.store.records import StoredInvocation

logger = logging.getLogger(__name__)

# A client waits this much longer than the function's time-out, so that the platform's answer is heard.
_TIMEOUT_MARGIN_S = 30.0
# The longest sleep of a platform's own invoke before looking for an interrupt.
_TICK_S = 0.2
_RECORDS_AT_ONCE = 1000
# Signed headers are made anew after this long; a platform's are good for two minutes at least.
_SIGNED_S = 60.0
# Of what never ran no provider has a record.
_NEVER_RAN = frozenset({Status.DROPPED, Status.THROTTLED})
# What is stored of the generator's health.
_HEALTH = (
    "lateness_p50_s", "lateness_p99_s", "lateness_max_s", "late", "dropped", "cpu_share", "in_flight_max", "duration_s",
)  # fmt: skip


class Observer(Protocol):
    """Hears what a session is doing, for people who wait."""

    def step(self, text: str) -> None:
        """Something begins: a build, a deployment, a teardown."""
        ...

    def planned(self, plan: Plan) -> None:
        """The design is known."""
        ...

    def progressed(self, cell: Cell, done: int, failed: int) -> None:
        """A batch of a cell was stored: valid samples and failures so far."""
        ...

    def warned(self, text: str) -> None:
        """Something may make the result wrong."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What to deploy: a benchmark in a language, at a size, on a platform with so much memory.

    `files` are added to its package, as (path in the package, content), and `needs` to what its benchmark needs.
    `padding_bytes` makes the package larger by a file that does not compress and is never read.
    """

    platform: str
    benchmark: str
    size: str
    language: str
    architecture: str
    memory_mib: int
    timeout_s: float
    parameters: tuple[tuple[str, Any], ...] = ()
    padding_bytes: int = 0
    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    needs: frozenset[Capability] = frozenset()

    @property
    def label(self) -> str:
        """One short line for progress."""
        return f"{self.benchmark} ({self.size}) on {self.platform} with {self.memory_mib} MiB"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a function was deployed from: its benchmark, how that was built, and the storage that holds its inputs."""

    spec: FunctionSpec
    benchmark: Benchmark
    storage: Storage | None

    def check(self, event: Mapping[str, Any], output: Any) -> str | None:
        """Return None if an output is right for an event, or what is wrong."""
        return self.benchmark.check(event, output, self.storage)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called, with the input it is called with.

    Args:
        id: Its row among the deployments.
        label: One short line for progress.
        platform: Where it runs.
        deployment: What the platform says of it.
        payload: What it is called with.
        check: Returns None if an output is right for that, or what is wrong.
        origin: What it was deployed from; None for one that existed.
        read: Returns what of a right output is stored as samples of its invocation, under registered metrics; None for
            nothing.
    """

    id: int
    label: str
    platform: Platform[Any]
    deployment: Deployment
    payload: bytes
    check: Callable[[Any], str | None]
    origin: Origin | None = None
    read: Callable[[Any], Mapping[str, float]] | None = None

    def given(self, payload: bytes, check: Callable[[Any], str | None]) -> Function:
        """Return the same function called with another input."""
        return replace(self, payload=payload, check=check)


@dataclass(slots=True)
class Trial:
    """One cell being measured: sends, stores, and counts what was good, failed or of the wrong start type.

    `good` holds the latencies in seconds of the samples that count, those of an interrupted run included.
    """

    session: Session
    cell: Cell
    cell_id: int
    function: Function
    wanted: StartType | None = None
    good: list[float] = field(default_factory=list)
    attempts: int = 0
    failures: int = 0
    last_error: str = ""
    started_s: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Time since the cell was begun in this process."""
        return time.monotonic() - self.started_s

    def force_cold(self) -> None:
        """Make sure that the next invocation meets no existing sandbox."""
        self.function.platform.force_cold(self.function.deployment)

    def invoke(
        self,
        schedule: Schedule,
        kind: Kind = Kind.MEASURED,
        round: int | None = None,  # noqa: A002  # the column
        events: Sequence[Mapping[str, Any]] = (),
    ) -> list[Invocation]:
        """Send one batch, of one round of an interleaved design, and commit it; return the invocations as stored.

        `events` are the inputs of the requests in order, in place of the function's own for all.
        """
        invocations = self.session.invoke(self.function, schedule, kind, self.cell_id, round, events)
        if kind is Kind.MEASURED:
            self._count(invocations)
            self.session.observer.progressed(self.cell, len(self.good), self.failures)
        return invocations

    def load(self, schedule: Schedule, max_in_flight: int | None = None) -> Health:
        """Send a phase of load, stored as it goes on, and return how the generator did; see `Session.load`."""
        return self.session.load(self, schedule, max_in_flight)

    def _count(self, invocations: Sequence[Invocation]) -> None:
        self.attempts += len(invocations)
        for invocation in invocations:
            if invocation.status is not Status.OK:
                self.failures += 1
                reason = (invocation.error or "no reason given").partition("\n")[0]
                self.last_error = f"{invocation.status}: {reason[:200]}"
            elif self.wanted is None or invocation.start_type is self.wanted:
                self.good.append(invocation.latency_s)


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
        self._registry = scene.registry
        self._packager = packager
        self._collectors = collectors
        self._client = HttpClient()
        self._meter = meter or Meter(Limits())
        self._live: dict[int, Function] = {}
        self._unrecorded: dict[int, set[int]] = {}  # function -> cells with invocations whose records are missing
        self.next_round = store.next_round(run.id)
        self._sequence = store.next_sequence(run.id)
        self._batch = 0
        self._deployed = 0

    def close(self) -> None:
        """Tear down what is still deployed and close connections. A second call is harmless."""
        for function in list(self._live.values()):
            self._teardown(function)
        self._client.close()

    def rng_for(self, *purpose: object) -> random.Random:
        """Return a generator for one purpose: the same for a seed, whatever was drawn or interrupted before."""
        return random.Random("/".join(map(str, (self.run.seed, *purpose))))  # noqa: S311  # a seeded design

    def pending(self, plan: Plan) -> list[Cell]:
        """Return the cells that still have to be measured: all, or after an interruption the unfinished."""
        finished = {cell.hash for cell in self.store.view(self.run.id).cells() if cell.status == CellStatus.FINISHED}
        return [cell for cell in plan.cells if cell.hash not in finished]

    @contextmanager
    def deployed(self, spec: FunctionSpec, cells: Sequence[Cell]) -> Iterator[Function | None]:
        """Deploy a function for some cells, and tear it down afterwards.

        Yields None where the platform cannot or would not deploy it: the cells are then stored as
        unsupported or failed, with the reason, and the experiment goes on with the next.
        """
        with self._held(lambda: self._deploy(spec), spec.label, cells) as function:
            yield function

    @contextmanager
    def adopted(self, adoption: Adoption, cells: Sequence[Cell]) -> Iterator[Function | None]:
        """Take a function that exists already for some cells, and undo afterwards whatever that took.

        It is called with nothing until it is `given` an input. Yields None as `deployed` does.
        """
        with self._held(lambda: self._adopt(adoption), adoption.label, cells) as function:
            yield function

    @contextmanager
    def _held(self, take: Callable[[], Function], label: str, cells: Sequence[Cell]) -> Iterator[Function | None]:
        try:
            function = take()
        except (UnsupportedError, DeployError) as exc:
            status = CellStatus.UNSUPPORTED if isinstance(exc, UnsupportedError) else CellStatus.FAILED
            self.refuse(cells, "not deployed", str(exc), status)
            self.observer.warned(f"{label}: {exc}")
            yield None
            return
        try:
            yield function
            for cell_id in sorted(self._unrecorded.pop(function.id, ())):
                self._add_records(function, cell_id)
            self._record_round_trip(function)
        finally:
            self._teardown(function)

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
            read: Returns samples from the output of an invocation that ended well; a batch sent by `invoke` has them.

        Raises:
            UnsupportedError: If the platform does not take so large a payload.
        """
        origin = _origin_of(function)
        values = origin.benchmark.resolve(origin.spec.size, {**dict(origin.spec.parameters), **(parameters or {})})
        event, payload = self._payload(origin.benchmark, values, origin.spec, function.platform, origin.storage)
        return replace(function, payload=payload, check=partial(origin.check, event), read=read)

    def refuse(
        self, cells: Sequence[Cell], reason: str, error: str, status: CellStatus = CellStatus.UNSUPPORTED
    ) -> None:
        """Store cells that cannot be measured, with the reason: that is a result, too."""
        for cell in cells:
            self.store.finish_cell(self.store.add_cell(self.run.id, cell), status, reason, error)

    @contextmanager
    def trial(self, cell: Cell, function: Function, wanted: StartType | None = None) -> Iterator[Trial]:
        """Begin to measure a cell; samples stored by an interrupted run count.

        The body ends it with `finish`; a body that raises leaves the cell running, to be resumed.
        """
        cell_id = self.store.add_cell(self.run.id, cell)
        trial = Trial(self, cell, cell_id, function, wanted)
        if function.deployment.adopted:  # each of its cells may have another input
            self._record_input(function, cell_id)
        for stored in self.store.view(self.run.id).invocations(cell_id=cell_id, kind=Kind.MEASURED):
            if stored.status is Status.OK and wanted in (None, stored.start_type):
                trial.good.append(stored.latency_s)
        yield trial

    def finish(self, trial: Trial, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close a cell with the reason why sampling stopped."""
        self.finish_cell(trial.cell, trial.cell_id, status, reason, error)

    def begin_cell(self, cell: Cell) -> tuple[int, list[StoredInvocation]]:
        """Begin a cell that several functions serve; return its row and what an interrupted run stored of it."""
        cell_id = self.store.add_cell(self.run.id, cell)
        return cell_id, list(self.store.view(self.run.id).invocations(cell_id=cell_id))

    def finish_cell(self, cell: Cell, cell_id: int, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close a cell that was begun with `begin_cell`."""
        self.store.finish_cell(cell_id, status, reason, error)
        if error:
            self.observer.warned(f"{cell.label}: {reason}: {error}")

    def attend(self, agenda: Agenda) -> Iterator[tuple[Burst, list[Invocation]]]:
        """Send bursts as they become due, and yield each with its invocations when all are answered and stored.

        Functions do not wait for each other: a burst leaves on time while others are in flight. Bursts may be added
        while this goes on. It ends when nothing is due and everything was answered; what is due later stays on the
        agenda (`agenda.next_s`), so that there is time to deploy and to tear down.

        Raises:
            UnsupportedError: If a function has no endpoint: its platform takes one call after the other.
        """
        senders: dict[int, Callable[[int], Request]] = {}
        owners: dict[str, Burst] = {}
        answers: dict[Burst, list[Reply]] = {}
        begun: set[Burst] = set()

        def request(number: int) -> Request:
            burst = agenda.take()
            if burst not in begun:
                begun.add(burst)
                self._meter.allow(burst.function.platform, burst.function.deployment, burst.calls)
            if burst.function.id not in senders:
                senders[burst.function.id] = self._requests(burst.function)
            made = senders[burst.function.id](number)
            owners[made.request_id] = burst
            return made

        for reply in self._client.drive(agenda, request):
            burst = owners.pop(reply.request_id)
            replies = answers.setdefault(burst, [])
            replies.append(reply)
            if len(replies) == burst.calls:
                del answers[burst]
                yield burst, self._stored(burst.function, replies, burst.kind, burst.cell_id, burst.round)

    def invoke(
        self,
        function: Function,
        schedule: Schedule,
        kind: Kind,
        cell_id: int,
        round: int | None = None,  # noqa: A002  # the column
        events: Sequence[Mapping[str, Any]] = (),
    ) -> list[Invocation]:
        """Send one batch, read the answers, add the provider's figures, commit, and return the invocations.

        A failed invocation is a result with a status; only a platform that ends the run raises.

        Args:
            function: What is called.
            schedule: When.
            kind: Whether it counts.
            cell_id: The cell it belongs to.
            round: Of an interleaved design.
            events: Inputs of the requests in order, in place of the function's own for all.
        """
        origin = _origin_of(function) if events else None
        payloads = [_encoded(origin.benchmark, event) for event in events] if origin else []
        numbers: dict[str, int] = {}
        self._meter.allow(function.platform, function.deployment, schedule.total or 1)
        replies = list(self._send(function, schedule, payloads=payloads, numbers=numbers))
        checks = {key: partial(origin.check, events[number]) for key, number in numbers.items() if origin is not None}
        return self._stored(function, replies, kind, cell_id, round, checks)

    def _stored(
        self,
        function: Function,
        replies: Sequence[Reply],
        kind: Kind,
        cell_id: int,
        round: int | None,  # noqa: A002  # the column
        checks: Mapping[str, Callable[[Any], str | None]] | None = None,
    ) -> list[Invocation]:
        """Read a batch of answers, add the provider's figures, commit, and return the invocations.

        `checks` are those of requests that had an input of their own, by their ids.
        """
        replies = sorted(replies, key=lambda reply: reply.sent_s)
        platform, deployment = function.platform, function.deployment
        ids = [platform.request_id_of(reply) for reply in replies]
        records = self._records_of(function, cell_id, dict(zip(ids, replies, strict=True)))
        invocations = []
        series: list[tuple[str, dict[str, Any]]] = []
        facts = {}
        for request_id, reply in zip(ids, replies, strict=True):
            invocation, envelope = read_reply(
                reply,
                platform=platform,
                deployment=deployment,
                record=records.get(request_id),
                check=(checks or {}).get(reply.request_id, function.check),
                sequence=self._sequence,
                batch=self._batch,
                kind=kind,
            )
            if function.read is not None and invocation.status is Status.OK:
                invocation.samples = {**invocation.samples, **function.read(envelope.output)}
            series += [(name, {"sequence": self._sequence, **points}) for name, points in envelope.series.items()]
            self._sequence += 1
            invocation.round = round
            invocations.append(invocation)
            if envelope.facts and envelope.sandbox_id:
                facts[envelope.sandbox_id] = envelope.facts
        self._batch += 1
        if round is not None:
            self.next_round = max(self.next_round, round + 1)
        self.store.add_invocations(self.run.id, function.id, cell_id, invocations)
        self._meter.used(function.platform, function.deployment, invocations)
        self._keep(function, cell_id, invocations, facts, series)
        return invocations

    def _records_of(
        self, function: Function, cell_id: int, replies: Mapping[str, Reply]
    ) -> Mapping[str, ProviderRecord]:
        """Return the provider's figures that came along, and those that it has by now; others are asked for later."""
        platform, deployment = function.platform, function.deployment
        came = {key: platform.record_of(deployment, reply) for key, reply in replies.items()}
        found = {key: record for key, record in came.items() if record is not None}
        missing = [key for key in replies if key not in found]
        if missing and Capability.RECORDS in platform.capabilities:
            if not platform.late_records:
                found |= platform.records(deployment, missing)
            if len(found) < len(replies):
                self._unrecorded.setdefault(function.id, set()).add(cell_id)
        return found

    def load(self, trial: Trial, schedule: Schedule, max_in_flight: int | None = None) -> Health:
        """Send a phase of load without a pause, store it as it goes on, and return how the generator did.

        A process that is killed loses less than a second of it; memory does not grow with it. The provider's figures
        are asked for when it is over. The generator's are stored as values of the cell (`generator.*`).

        Args:
            trial: The cell; its attempts and failures are counted.
            schedule: When requests are due.
            max_in_flight: A request that is due while so many are in flight is stored as dropped; None for no cap.
        """
        function, cell_id, first = trial.function, trial.cell_id, self._sequence
        self._meter.allow(function.platform, function.deployment)
        before = trial.attempts, trial.failures

        def committed(
            invocations: Sequence[Invocation],
            facts: Mapping[str, Mapping[str, Any]],
            series: Sequence[tuple[str, dict[str, Any]]],
        ) -> None:
            self._keep(function, cell_id, invocations, facts, series)
            self._meter.used(function.platform, function.deployment, invocations)
            trial.attempts = before[0] + recording.statuses.total()
            trial.failures = before[1] + recording.statuses.total() - recording.statuses[Status.OK]
            trial.last_error = recording.last_error or trial.last_error
            self.observer.progressed(trial.cell, trial.attempts - trial.failures, trial.failures)

        recording = Recording(
            self.store.stream(self.run.id, function.id, cell_id),
            function.platform,
            function.deployment,
            function.check,
            kind=Kind.MEASURED,
            sequence=first,
            batch=self._batch,
            on_commit=committed,
        )
        self._batch += 1
        self.record("generator.started_s", client_clock().now(), cell_id=cell_id)
        with undisturbed():
            started_s, busy_s, spun_s = time.perf_counter(), time.thread_time(), self._client.spun_s
            try:
                for reply in self._send(function, schedule, max_in_flight, recording.idle):
                    recording.add(reply)
            finally:
                duration_s = time.perf_counter() - started_s
                busy_s = time.thread_time() - busy_s - (self._client.spun_s - spun_s)
                with interrupts.shielded():
                    try:
                        recording.close()
                    finally:
                        self._sequence = recording.sequence
        if function.platform.late_records:
            self._unrecorded.setdefault(function.id, set()).add(cell_id)
        else:
            self._add_records(function, cell_id, first)
        health = recording.health(duration_s, busy_s, self._client.in_flight_max)
        for name in _HEALTH:
            self.record(f"generator.{name}", getattr(health, name), cell_id=cell_id)
        return health

    def _add_records(self, function: Function, cell_id: int, first: int = 0) -> None:
        """Add the provider's figures to what was stored from a sequence on and has none."""
        platform, deployment = function.platform, function.deployment
        if Capability.RECORDS not in platform.capabilities:
            return
        self.observer.step(f"asking {platform.name} for its records")
        stored = self.store.view(self.run.id).invocations(cell_id=cell_id, first=first)
        while page := list(islice(stored, _RECORDS_AT_ONCE)):
            sent = [item for item in page if item.status not in _NEVER_RAN and item.provider_duration_s is None]
            sent = [item for item in sent if item.deployment_id == function.id]
            if not sent:
                continue
            records = platform.records(deployment, [item.request_id for item in sent])
            known = [item for item in sent if item.request_id in records]
            for item in known:
                add_record(item, records[item.request_id], platform, deployment)
            self.store.update_recorded(known)

    def _keep(
        self,
        function: Function,
        cell_id: int,
        invocations: Sequence[Invocation],
        facts: Mapping[str, Mapping[str, Any]],
        series: Sequence[tuple[str, dict[str, Any]]],
    ) -> None:
        """Store what goes along with invocations that were just stored, and tell plugins of them."""
        for sandbox_id, told in facts.items():
            self.store.add_sandbox(function.id, sandbox_id, told)
        for metric, points in series:
            text = json.dumps(points)
            self.store.add_value(self.run.id, metric, None, deployment_id=function.id, cell_id=cell_id, text=text)
        self._registry.notify(
            "sebsx_invocations_stored", run=self.run, deployment=function.deployment, invocations=invocations
        )

    def record(
        self, metric: str, value: float, *, cell_id: int | None = None, function: Function | None = None
    ) -> None:
        """Store a value of the run, a cell or a deployment rather than of an invocation."""
        self.store.add_value(
            self.run.id, metric, value, cell_id=cell_id, deployment_id=function.id if function else None
        )

    def wait(self, seconds: float) -> None:
        """Wait, and end at once when interrupted or out of time."""
        left_s = self._meter.time_left_s
        time.sleep(seconds if left_s is None else max(0.0, min(seconds, left_s)))
        if left_s is not None and seconds > left_s:
            self._meter.out_of_time()

    def _send(
        self,
        function: Function,
        schedule: Schedule,
        max_in_flight: int | None = None,
        idle: Callable[[float], bool] | None = None,
        payloads: Sequence[bytes] = (),
        numbers: dict[str, int] | None = None,
    ) -> Iterator[Reply]:
        """Send a schedule and yield the replies; `numbers` is told which request each belongs to, if it is given."""
        if function.deployment.endpoint is None:
            timeout_s = function.deployment.config.timeout_s + _TIMEOUT_MARGIN_S
            for number, reply in enumerate(_send_by_platform(function, schedule, timeout_s, idle, payloads)):
                if numbers is not None:
                    numbers[reply.request_id] = number
                yield reply
            return
        requests = self._requests(function, payloads, numbers)
        yield from self._client.drive(schedule, requests, max_in_flight=max_in_flight, idle=idle)

    def _requests(
        self, function: Function, payloads: Sequence[bytes] = (), numbers: dict[str, int] | None = None
    ) -> Callable[[int], Request]:
        """Return what makes the requests of one function by their numbers, under ids that no others have.

        Raises:
            UnsupportedError: If it has no endpoint.
        """
        deployment, payload = function.deployment, function.payload
        timeout_s = deployment.config.timeout_s + _TIMEOUT_MARGIN_S
        if (url := deployment.endpoint) is None:
            raise UnsupportedError(f"platform {function.platform.name!r} takes one call after the other")
        prefix = str(ULID())  # one for all: drawing one for each request costs as much as sending it
        headers, fresh_until_s = _headers(function, payload), time.monotonic() + _SIGNED_S

        def request(number: int) -> Request:
            nonlocal headers, fresh_until_s
            request_id = f"{prefix}-{number}"
            if numbers is not None:
                numbers[request_id] = number
            if payloads:
                own = payloads[number]
                return Request(url, own, request_id, _headers(function, own), timeout_s, deployment.method)
            if time.monotonic() > fresh_until_s:
                headers, fresh_until_s = _headers(function, payload), time.monotonic() + _SIGNED_S
            return Request(url, payload, request_id, headers, timeout_s, deployment.method)

        return request

    def _deploy(self, spec: FunctionSpec) -> Function:
        platform, benchmark = self.scene.platforms[spec.platform], self.scene.benchmark(spec.benchmark)
        overrides = dict(spec.parameters)
        parameters = benchmark.resolve(spec.size, overrides)
        config = FunctionConfig(
            name=f"sebsx-{self.run.id[-8:].lower()}-{benchmark.name}-{spec.memory_mib}-{self._deployed}-{self._batch}",
            memory_mib=spec.memory_mib,
            timeout_s=spec.timeout_s,
            architecture=spec.architecture,
            tags={"sebsx-run": self.run.id},
        )
        described: dict[str, Any] = {
            "platform": spec.platform,
            "benchmark": benchmark.name,
            "benchmark_version": benchmark.version,
            "benchmark_sha256": benchmark.sha256,
            "language": spec.language,
            "size": spec.size,
            "parameters": parameters,
            "config": config,
        }
        self._deployed += 1
        package: Package | None = None
        started_s = time.perf_counter()
        try:
            needs = benchmark.needs | spec.needs
            _check_needs(platform, benchmark, needs)
            package = self._build(spec, platform, benchmark)
            facts = {"requirements": list(package.requirements), "content_hash": package.content_hash}
            self.store.add_artifact(package.sha256, "package", package.bytes, package.path, facts)
            self.observer.step(f"deploying {spec.label}")
            started_s = time.perf_counter()
            storage = platform.storage() if Capability.STORAGE in needs else None
            if Capability.TABLE in needs:
                platform.table()
            event, payload = self._payload(benchmark, parameters, spec, platform, storage)
            deployment = platform.deploy(package, config)
        except (UnsupportedError, DeployError) as exc:
            described |= {"language_version": package.target.version if package else "", "package": package}
            self._not_deployed(described, exc, time.perf_counter() - started_s)
            raise
        described |= {"language_version": package.target.version, "package": package}
        origin = Origin(spec, benchmark, storage)
        function = Function(0, spec.label, platform, deployment, payload, partial(origin.check, event), origin)
        function = self._live_function(function, described, time.perf_counter() - started_s)
        self._record_input(function)
        source = json.dumps(source_of(benchmark, self._registry))
        self.store.add_value(self.run.id, "client.source", None, deployment_id=function.id, text=source)
        return function

    def _adopt(self, adoption: Adoption) -> Function:
        """Take a function that exists; what the platform says of it stands where a benchmark's manifest would."""
        platform = self.scene.platforms[adoption.platform]
        described: dict[str, Any] = {
            "platform": adoption.platform, "benchmark": adoption.subject, "size": "", "parameters": {}, "package": None,
        }  # fmt: skip
        self.observer.step(f"taking {adoption.label}")
        started_s = time.perf_counter()
        try:
            deployment = platform.adopt(adoption)
        except (UnsupportedError, DeployError) as exc:
            described |= {"config": adoption.config, **_code_of(adoption, {})}
            self._not_deployed(described, exc, time.perf_counter() - started_s)
            raise
        described |= {"config": deployment.config, **_code_of(adoption, deployment.effective)}
        for note in deployment.effective.get("notes", ()):
            self.observer.warned(f"{adoption.label}: {note}")
        function = Function(0, adoption.label, platform, deployment, b"", lambda _output: None)
        return self._live_function(function, described, time.perf_counter() - started_s)

    def _live_function(self, function: Function, described: Mapping[str, Any], deploy_s: float) -> Function:
        """Store a function that is ready, with what its invocations cost, and remember that it is there."""
        deployment = function.deployment
        identifier = self.store.add_deployment(
            self.run.id, **described, deployment=deployment, status="ready", error=None, deploy_s=deploy_s
        )
        self._live[identifier] = function = replace(function, id=identifier)
        if rates := function.platform.rates_of(deployment):
            text = json.dumps(rates.identity, sort_keys=True)
            self.store.add_value(self.run.id, "price_book", None, deployment_id=identifier, text=text)
        self._record_round_trip(function)
        return function

    def _not_deployed(self, described: Mapping[str, Any], exc: Exception, deploy_s: float) -> None:
        status = "unsupported" if isinstance(exc, UnsupportedError) else "failed"
        self.store.add_deployment(
            self.run.id, **described, deployment=None, status=status, error=str(exc), deploy_s=deploy_s
        )

    def _build(self, spec: FunctionSpec, platform: Platform[Any], benchmark: Benchmark) -> Package:
        language = self._registry.get("languages", spec.language)()
        target = platform.target(spec.language, spec.architecture)
        sources = {name: self._registry.get("collectors", name)().source(spec.language) for name in self._collectors}
        self.observer.step(f"building {spec.benchmark} for {target.language} {target.version} {target.architecture}")
        return self._packager.build(
            benchmark,
            language,
            target,
            wrapper={**platform.wrapper_files(spec.language), **dict(spec.files)},
            collectors={name: source for name, source in sources.items() if source is not None},
            padding_bytes=spec.padding_bytes,
        )

    def _payload(
        self,
        benchmark: Benchmark,
        parameters: Mapping[str, Any],
        spec: FunctionSpec,
        platform: Platform[Any],
        storage: Storage | None,
    ) -> tuple[dict[str, Any], bytes]:
        """Return the input as event and as bytes; the same for a seed, whatever was deployed before."""
        event = benchmark.payload(parameters, self.rng_for(benchmark.name, spec.size), storage)
        payload = _encoded(benchmark, event)
        if len(payload) > platform.payload_bytes:
            raise UnsupportedError(
                f"payload of {benchmark.name!r} at size {spec.size!r} is {len(payload)} bytes; "
                f"platform {platform.name!r} takes at most {platform.payload_bytes}"
            )
        return event, payload

    def _record_input(self, function: Function, cell_id: int | None = None) -> None:
        """Store what a function, or it in one cell, is called with."""
        told = {"sha256": hashlib.sha256(function.payload).hexdigest(), "bytes": len(function.payload)}
        self.store.add_value(
            self.run.id, "client.input", None, deployment_id=function.id, cell_id=cell_id, text=json.dumps(told)
        )

    def _record_round_trip(self, function: Function) -> None:
        """Store how far away a function is: before it is measured and after."""
        endpoint = function.deployment.endpoint
        seconds = round_trip_s(endpoint) if endpoint else None
        if seconds is not None:
            self.record("client.round_trip_s", seconds, function=function)

    def _teardown(self, function: Function) -> None:
        """Tear down one function; trouble is told and left to `sebsx clean`, the results are safe."""
        if self._live.pop(function.id, None) is None:
            return
        deployment = function.deployment
        self.observer.step(f"tearing down {function.label}")
        with interrupts.shielded():
            try:
                (function.platform.release if deployment.adopted else function.platform.teardown)(deployment)
            except Exception as exc:
                logger.info("teardown of %s failed", deployment.id, exc_info=True)
                self.observer.warned(f"{deployment.id} could not be torn down: {exc} (sebsx clean)")
            else:
                self.store.update_deployment(function.id, status="deleted")


def _code_of(adoption: Adoption, told: Mapping[str, Any]) -> dict[str, str]:
    """Return what is stored of code that is not ours: its identity, or that of its name where nobody tells it."""
    return {
        "benchmark_version": str(told.get("version", "")),
        "benchmark_sha256": str(told.get("code_sha256") or content_hash([adoption.platform, adoption.subject])),
        "language": str(told.get("language", "")),
        "language_version": str(told.get("language_version", "")),
    }


def _origin_of(function: Function) -> Origin:
    if function.origin is None:
        raise UserError(f"{function.label} was not deployed from a benchmark, and has no other input than it was given")
    return function.origin


def _headers(function: Function, payload: bytes) -> list[str]:
    """Return the header lines of requests with a payload to a function, signed now."""
    deployment = function.deployment
    signed = function.platform.signed(deployment, payload)
    return [f"{name}: {value}" for name, value in {**deployment.headers, **signed}.items()]


def _send_by_platform(
    function: Function,
    schedule: Schedule,
    timeout_s: float,
    idle: Callable[[float], bool] | None,
    payloads: Sequence[bytes] = (),
) -> Iterator[Reply]:
    """Invoke by the platform's own means, one call after the other; what comes too late is late."""
    clock = client_clock()
    pace, started_s, sent = schedule.begin(), clock.now(), 0
    while (due_s := pace.due_s(clock.now() - started_s, sent, sent)) != OVER:
        interrupts.check()
        while idle is not None and idle(_TICK_S):
            pass
        wait_s = 0.0 if due_s is None else due_s - (clock.now() - started_s)
        if wait_s > 0:
            time.sleep(min(wait_s, _TICK_S))
            continue
        payload = payloads[sent] if payloads else function.payload
        reply = function.platform.invoke(function.deployment, payload, timeout_s)
        if reply is None:
            raise PlatformError(f"platform {function.platform.name!r} has neither an endpoint nor its own invoke")
        sent += 1
        pace.answered(clock.now() - started_s)
        # The platform's clock may be another reading of wall time: nothing is sent before it is due.
        yield reply if due_s is None else replace(reply, intended_s=min(started_s + due_s, reply.sent_s))


def _encoded(benchmark: Benchmark, event: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError) as exc:
        raise UserError(f"payload of benchmark {benchmark.name!r} is not JSON: {exc}") from exc


def _check_needs(platform: Platform[Any], benchmark: Benchmark, needs: frozenset[Capability]) -> None:
    missing = sorted(need.value for need in needs - platform.capabilities)
    if missing:
        raise UnsupportedError(f"benchmark {benchmark.name!r} needs {', '.join(missing)}; {platform.name!r} has none")
