"""Calls functions within the limits of a run, and hands what came back to be stored."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sebsx.contracts.calls import Sent
from sebsx.errors import PluginError
from sebsx.model.clock import client_clock
from sebsx.running.recording import collected_later
from sebsx.running.session.sending import Allowed, Silence, attend, check_overlap, send
from sebsx.system.busyness import waited
from sebsx.system.priority import on_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.agenda import Agenda
    from sebsx.contracts.calls import Calls
    from sebsx.contracts.functions import Function
    from sebsx.model import Invocation, Reply
    from sebsx.running.limits import Meter
    from sebsx.running.session.storing import Recorder
    from sebsx.sending.client import HttpClient

# What is stored of the generator's health.
_HEALTH = (
    "lateness_p50_s", "lateness_p99_s", "lateness_max_s", "late", "dropped", "client_errors", "cpu_share",
    "in_flight_max", "duration_s", "runqueue_s", "turns",
)  # fmt: skip


class _Record(Protocol):
    def __call__(self, metric: str, value: float, *, cell_id: int) -> None: ...


class Caller:
    """Sends calls as a batch, as a phase of load, or from an agenda.

    Args:
        client: Sends.
        meter: Stops the run at its limits.
        recorder: Stores invocations.
        record: Stores a value of a cell.
        next_round: The first unused number of a round.

    Attributes:
        next_round: The first unused number of a round.
    """

    def __init__(self, client: HttpClient, meter: Meter, recorder: Recorder, record: _Record, next_round: int) -> None:
        self.next_round = next_round
        self._client = client
        self._meter = meter
        self._recorder = recorder
        self._record = record

    def batch(self, calls: Calls) -> Sent:
        """Send a batch and store it when all of it is answered; see `Session.send`."""
        check_overlap(calls.function, calls.schedule)
        self._meter.allow(calls.function.platform, calls.function.deployment, calls.schedule.total or 1)
        with collected_later():
            answers = list(send(self._client, calls))
            self._count_round(calls.round)
            return Sent(calls=calls, invocations=self._recorder.add(calls, answers))

    def attend(self, agenda: Agenda) -> Iterator[Sent]:
        """Send an agenda, and store what belongs together when it is answered; see `Session.send`."""
        for calls, answers in attend(self._client, agenda, self._meter):
            self._count_round(calls.round)
            yield self._added(calls, answers)

    def _added(self, calls: Calls, answers: Sequence[tuple[Function, Reply]] | PluginError) -> Sent:
        if isinstance(answers, PluginError):
            return Sent(calls=calls, invocations=[], failure=answers)
        try:
            return Sent(calls=calls, invocations=self._recorder.add(calls, answers))
        except PluginError as exc:
            return Sent(calls=calls, invocations=[], failure=exc)

    def phase(self, calls: Calls, on_stored: Callable[[Sequence[Invocation]], None]) -> Sent:
        """Send a phase of load and store it as it goes on; see `Session.send`."""
        function, cell_id = calls.function, calls.cell_id
        check_overlap(function, calls.schedule)
        schedule = Allowed(calls.schedule, partial(self._meter.allow, function.platform, function.deployment))
        self._count_round(calls.round)
        self._record("generator.started_s", client_clock().now(), cell_id=cell_id)
        first = on_time() if calls.schedule.is_open else nullcontext("")
        with self._recorder.phase(calls, on_stored) as recording, first as ordinary:
            before = waited()
            started_s, busy_s, spun_s = time.perf_counter(), time.thread_time(), self._client.spun_s
            silence = Silence()
            for called, reply in send(self._client, calls, schedule, recording.idle):
                recording.add(reply, called)
                if not silence.broken:
                    schedule.given_up = schedule.given_up or silence.heard(reply)
            duration_s = time.perf_counter() - started_s
            busy_s = time.thread_time() - busy_s - (self._client.spun_s - spun_s)
            after = waited()
        delay = after.since(before) if before and after else None
        health = recording.health(duration_s, busy_s, self._client.in_flight_max, delay)
        health = replace(health, given_up=schedule.given_up, ordinary=ordinary)
        for name in _HEALTH:
            if (value := getattr(health, name)) is not None:
                self._record(f"generator.{name}", value, cell_id=cell_id)
        if calls.schedule.is_open:
            self._record("generator.first", float(not ordinary), cell_id=cell_id)
        schedule.settle()
        self._recorder.end_phase()
        return Sent(calls=calls, invocations=[], health=health)

    def _count_round(self, number: int | None) -> None:
        if number is not None:
            self.next_round = max(self.next_round, number + 1)
