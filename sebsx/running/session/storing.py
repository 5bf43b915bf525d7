"""Stores what invocations brought: what the client saw at once, and the provider's records when they are there."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sebsx.errors import StoreError
from sebsx.model import Capability, Status
from sebsx.model.clock import ClockSteps, client_clock
from sebsx.model.meaning import FACTS
from sebsx.running import provider_records
from sebsx.running.evidence import Starts
from sebsx.running.invocations import Extras, read_reply
from sebsx.running.recording import Recording, undisturbed
from sebsx.running.samples import Names
from sebsx.running.session.outputs import Outputs
from sebsx.running.starvation import Watch
from sebsx.system.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.calls import Calls
    from sebsx.contracts.functions import Function
    from sebsx.contracts.groups import Group
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.registered import Registered
    from sebsx.model import Invocation, ProviderRecord, Reply, Run
    from sebsx.running.limits import Meter
    from sebsx.store import Store

_MOST_TOLD = 16


class Recorder:
    """Numbers invocations through the run, stores them, counts them on the meter, and tells plugins of them.

    Args:
        run: The run as stored.
        store: Where everything goes.
        registry: Plugins that want to hear of what was stored.
        observer: Hears when a provider is asked.
        meter: Counts what was used.

    Attributes:
        group: What is stored now belongs to it; None for no group.
    """

    def __init__(self, run: Run, store: Store, registry: Registered, observer: Observer, meter: Meter) -> None:
        self._run = run
        self._store = store
        self._registry = registry
        self._observer = observer
        self._meter = meter
        self._sequence = store.next_sequence(run.id)
        self._batch = store.next_batch(run.id)
        self._failed: StoreError | None = None  # what is stored after it would leave a hole before it
        self._phase = 0
        self._steps = ClockSteps()
        self._starts = Starts()
        self._names = Names(registry.metrics)
        self.group: Group | None = None
        self._outputs = Outputs(run, store)
        self._silent: set[str] = set()  # platforms whose records did not come in time
        self._told: dict[tuple[int, int], set[str]] = {}  # function and cell -> what outputs told of how it was done
        self._watch = Watch(lambda metric, value, cell_id: store.add_value(run.id, metric, value, cell_id=cell_id))
        self._unrecorded: dict[int, set[int]] = {}  # function -> cells with invocations whose records are missing

    def add(self, calls: Calls, answers: Sequence[tuple[Function, Reply]]) -> list[Invocation]:
        """Read a batch of answers, add the provider's figures, commit, and return the invocations.

        Args:
            calls: What was called, and what is stored with it.
            answers: The replies, each with the function as it was given the input of that call.

        Raises:
            StoreError: If they could not be stored: nothing is told of them then, and nothing is stored afterwards.
        """
        answers = sorted(answers, key=lambda answer: answer[1].sent_s)
        function, cell_id = calls.function, calls.cell_id
        platform, deployment = function.platform, function.deployment
        ids = [platform.request_id_of(reply) for _, reply in answers]
        replies = dict(zip(ids, (reply for _, reply in answers), strict=True))
        records = self._records_of(function, cell_id, replies)
        invocations = []
        extras = Extras()
        for sequence, (request_id, (called, reply)) in enumerate(zip(ids, answers, strict=True), self._sequence):
            invocation, envelope = read_reply(
                reply,
                platform=platform,
                deployment=deployment,
                record=records.get(request_id),
                starts=self._starts,
                names=self._names,
                check=called.check,
                sequence=sequence,
                batch=self._batch,
                kind=calls.kind,
                meaning=function.meaning,
            )
            if called.read is not None and invocation.status is Status.OK:
                invocation.samples = {**invocation.samples, **called.read(envelope.output)}
            invocation.round = calls.round
            invocations.append(invocation)
            extras.add(invocation, envelope, function.meaning)
        if self.group is not None:
            self.group.add(invocations)
        with self._storing():
            self._store.add_invocations(self._run.id, function.id, cell_id, invocations)
        self._sequence += len(invocations)
        self._batch += 1
        self._stored(function, cell_id, invocations, extras)
        self._outputs.keep(function, cell_id, invocations, replies)
        return invocations

    @contextmanager
    def phase(self, calls: Calls, on_stored: Callable[[Sequence[Invocation]], None]) -> Iterator[Recording]:
        """Store what is added to the recording while load goes on, and afterwards the provider's figures.

        The interpreter does not pause inside. `on_stored` is called with what was just committed. Until `end_phase` is
        called it counts as cut short: another one in the same cell takes its place.
        """
        function, cell_id = calls.function, calls.cell_id

        def committed(invocations: Sequence[Invocation], extras: Extras) -> None:
            self._stored(function, cell_id, invocations, extras)
            on_stored(invocations)

        first = self._sequence
        with self._storing():
            self._phase = self._store.groups.begin_phase(
                self._run.id, cell_id, function.id, self._batch, client_clock().now()
            )
        recording = Recording(
            self._store.stream(self._run.id, function.id, cell_id),
            function.platform,
            function.deployment,
            function.check,
            self._starts,
            self._names,
            kind=calls.kind,
            meaning=function.meaning,
            sequence=first,
            batch=self._batch,
            on_commit=committed,
            round=calls.round,
        )
        self._batch += 1
        with self._storing(), undisturbed():
            try:
                yield recording
            finally:
                with interrupts.shielded():
                    try:
                        recording.close()
                    finally:
                        self._sequence = recording.sequence
        if function.platform.late_records:
            self._unrecorded.setdefault(function.id, set()).add(cell_id)
        else:
            self._add_records(function, cell_id, first)

    def end_phase(self) -> None:
        """Store that the last phase ended as it should."""
        self._store.groups.finish_phase(self._phase, client_clock().now())

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Refuse to store anything after the store has failed.

        Raises:
            StoreError: The failure, again.
        """
        if self._failed is not None:
            raise self._failed
        try:
            yield
        except StoreError as exc:
            self._failed = exc
            raise

    def wait_s(self, function: Function) -> float:
        """Return how long `complete` may wait for a function's records."""
        platform = function.platform
        waits = platform.late_records and Capability.RECORDS in platform.capabilities
        missing = function.id in self._unrecorded and platform.name not in self._silent
        return self._meter.records_wait_s if waits and missing else 0.0

    def complete(self, function: Function) -> None:
        """Wait for the records that had not come when the invocations of a function were stored, and count the rest.

        A platform whose records are not late is asked once more. One whose records did not come within the time for one
        function is not waited for again.
        """
        within_s = self.wait_s(function)
        cells = sorted(self._unrecorded.pop(function.id, ()))
        platform = function.platform
        if not cells or Capability.RECORDS not in platform.capabilities:
            return
        missing = provider_records.wait(
            lambda: sum(self._add_records(function, cell_id) for cell_id in cells),
            within_s,
            lambda text: self._observer.step(f"{platform.name}: {text}"),
        )
        if missing:
            self._silent.add(platform.name)
            self._store.add_value(self._run.id, provider_records.MISSING, missing, deployment_id=function.id)
            came = f"in {self._meter.records_wait_s:g} s" if platform.late_records else "with their answers"
            later = f"; `sebsx records {self._run.id}` asks again" if platform.late_records else ""
            lost = "no billed time and no cost"
            if platform.names_sandboxes(function.deployment):
                lost = "no sandbox that is known"
            self._observer.warned(
                f"{missing} records of platform {platform.name!r} did not come {came}: "
                f"these invocations have {lost}{later}"
            )

    def _records_of(
        self, function: Function, cell_id: int, replies: Mapping[str, Reply]
    ) -> Mapping[str, ProviderRecord]:
        """Return the provider's figures that came along, and those that it has by now; others are asked for later."""
        platform, deployment = function.platform, function.deployment
        came = {key: platform.record_of(deployment, reply) for key, reply in replies.items()}
        found = {key: record for key, record in came.items() if record is not None}
        missing = [key for key in replies if key not in found]
        if platform.names_sandboxes(deployment):
            self._unrecorded.setdefault(function.id, set()).add(cell_id)
        if missing and Capability.RECORDS in platform.capabilities:
            if not platform.late_records:
                found |= platform.records(deployment, missing)
            if len(found) < len(replies):
                self._unrecorded.setdefault(function.id, set()).add(cell_id)
        return found

    def _add_records(self, function: Function, cell_id: int, first: int = 0) -> int:
        """Add the provider's figures to what was stored from a sequence on; return how many are missing."""
        platform = function.platform
        if Capability.RECORDS not in platform.capabilities:
            return 0
        self._observer.step(f"asking {platform.name} for its records")
        return provider_records.ask(
            self._store, self._run.id, platform, function.deployment, function.id, cell_id=cell_id, first=first
        )

    def end_cell(self, cell_id: int) -> None:
        """Store what was seen of this machine, and of the calls that it starved, while a cell was measured."""
        self._watch.end(cell_id, client_clock().now())

    def _stored(self, function: Function, cell_id: int, invocations: Sequence[Invocation], extras: Extras) -> None:
        """Count invocations that were just stored, store what goes along with them, and tell plugins of them."""
        self._meter.used(function.platform, function.deployment, invocations)
        if (step_s := self._steps.since()) is not None:
            self._store.add_value(
                self._run.id, "client.clock_step_s", step_s, deployment_id=function.id, cell_id=cell_id
            )
            self._observer.warned(
                f"the clock of this machine was set by {step_s:+.3f} s: durations are right, later dates do not "
                "go with earlier ones"
            )
        self._watch.see(cell_id, invocations)
        with self._store.together():
            for sandbox_id, told in extras.facts.items():
                self._store.design.add_sandbox(function.id, sandbox_id, told)
            for metric, points in extras.series:
                text = json.dumps(points)
                self._store.add_value(self._run.id, metric, None, deployment_id=function.id, cell_id=cell_id, text=text)
            self._add_told(function, cell_id, extras.told)
        self._registry.notify(
            "sebsx_invocations_stored", run=self._run, deployment=function.deployment, invocations=invocations
        )

    def _add_told(self, function: Function, cell_id: int, told: Iterable[str]) -> None:
        """Store how outputs say that the work of a cell was done: each way once, and so many at most."""
        known = self._told.setdefault((function.id, cell_id), set())
        for text in told:
            if text in known or len(known) > _MOST_TOLD:
                continue
            known.add(text)
            if len(known) > _MOST_TOLD:
                self._observer.warned(
                    f"{function.label}: the outputs of a cell tell of more than {_MOST_TOLD} ways in which its "
                    "work was done; name under 'facts' only what stays the same where nothing else changes"
                )
                return
            self._store.add_value(self._run.id, FACTS, None, deployment_id=function.id, cell_id=cell_id, text=text)
