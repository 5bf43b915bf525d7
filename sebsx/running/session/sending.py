"""Sends requests to functions when a schedule says so, and yields what comes back."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from ulid import ULID

from sebsx.contracts.schedules import OVER, Schedule
from sebsx.contracts.senders import Endpoint, Work
from sebsx.errors import LimitReachedError, PlatformError, PluginError, UnsupportedError
from sebsx.model import DROPPED
from sebsx.model.clock import client_clock
from sebsx.sending.client import Outgoing, requests_to
from sebsx.system.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.agenda import Agenda
    from sebsx.contracts.calls import Calls
    from sebsx.contracts.functions import Function
    from sebsx.contracts.senders import Sender
    from sebsx.model import Reply
    from sebsx.running.limits import Meter
    from sebsx.sending.client import HttpClient

# A load is given up when so many calls ended without any answer and none with one, or a few after a longer time.
SILENT_CALLS = 100
SILENT_CALLS_LATER, SILENT_S = 5, 30.0
# The longest sleep of a platform's own invoke before looking for an interrupt.
_TICK_S = 0.2


class Allowed(Schedule):
    """A schedule that is over where a limit is reached or it is given up: what was sent by then is still waited for.

    Args:
        schedule: What is sent as long as that is allowed.
        allow: Called before each request; raises `LimitReachedError` to end it, and returns False where it took what is
            due off the schedule.

    Attributes:
        refusal: The limit that ended it; None if none did.
        given_up: Why it was ended otherwise, in words; set from outside, empty as long as it goes on.
    """

    def __init__(self, schedule: Schedule, allow: Callable[[], bool | None]) -> None:
        self.refusal: LimitReachedError | None = None
        self.given_up = ""
        self._schedule = schedule
        self._allow = allow

    @property
    def total(self) -> int | None:
        """How many requests there are if no limit is reached."""
        return self._schedule.total

    def begin(self) -> Schedule:
        """Begin the schedule."""
        self._schedule = self._schedule.begin()
        return self

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return what the schedule says, `OVER` from the first request on that is not allowed."""
        if self.refusal is not None or self.given_up:
            return OVER
        while True:
            due_s = self._schedule.due_s(elapsed_s, sent, done)
            if due_s is None or due_s > elapsed_s:
                return due_s
            try:
                if self._allow() is not False:
                    return due_s
            except LimitReachedError as exc:
                self.refusal = exc
                return OVER

    def answered(self, elapsed_s: float) -> None:
        """Tell the schedule."""
        self._schedule.answered(elapsed_s)

    def settle(self) -> None:
        """Raise the limit that ended it, if one did."""
        if self.refusal is not None:
            raise self.refusal


class Silence:
    """Notices that nothing at all answers a load: no HTTP answer, only refusals, resets and time-outs.

    Attributes:
        broken: Whether something was answered; nothing more is counted then.
    """

    def __init__(self) -> None:
        self.broken = False
        self._unanswered = 0
        self._started_s = time.monotonic()

    def heard(self, reply: Reply) -> str:
        """Take in a reply; return why to give up, empty to go on."""
        if reply.http_status is not None or reply.error is None:
            self.broken = True
        elif reply.error != DROPPED:
            self._unanswered += 1
        waited_s = time.monotonic() - self._started_s
        enough = self._unanswered >= (SILENT_CALLS_LATER if waited_s >= SILENT_S else SILENT_CALLS)
        if self.broken or not enough:
            return ""
        return f"none of the first {self._unanswered} calls was answered within {waited_s:.0f} s: the load was given up"


def called_by(calls: Calls) -> list[Function]:
    """Return the function as it is given the input of each call in turn: one for all, or as many as there are events.

    Raises:
        UserError: If events were given for a function that was not deployed from a benchmark.
    """
    function = calls.function if calls.read is None else replace(calls.function, read=calls.read)
    return [function.given_event(event) for event in calls.events] or [function]


def check_overlap(function: Function, schedule: Schedule) -> None:
    """Refuse calls in flight together where the platform makes one after the other.

    Raises:
        UnsupportedError: If it does: they would be stored as what they were not.
    """
    if function.platform.one_at_a_time and schedule.overlaps:
        raise UnsupportedError(
            f"platform {function.platform.name!r} takes one call after the other; bursts, several users and open loops "
            "cannot be measured there"
        )


def send(
    sender: Sender, calls: Calls, schedule: Schedule | None = None, idle: Callable[[float], bool] | None = None
) -> Iterator[tuple[Function, Reply]]:
    """Send calls, and yield each reply with the function that was called.

    Args:
        sender: Sends to endpoints; a deployment without one is reached by its platform's own means.
        calls: What is called, with what, and when.
        schedule: When, in place of theirs.
        idle: Called in the gaps; see `Sender.send`.

    Raises:
        UnsupportedError: If calls may overlap and the platform makes one after the other.
    """
    functions, schedule = called_by(calls), schedule or calls.schedule
    check_overlap(calls.function, schedule)
    endpoints = [endpoint_of(function) for function in functions]
    if None in endpoints:
        yield from _send_by_platform(functions, schedule, idle)
        return
    work = Work(
        schedule=schedule,
        endpoints=tuple(endpoint for endpoint in endpoints if endpoint is not None),
        name=str(ULID()),  # one for all: drawing one for each call costs as much as sending it
        max_in_flight=calls.max_in_flight,
    )
    payloads = {_digest(function.payload): function.payload for function in functions}
    count = len(functions)
    for number, reply in sender.send(work, payloads, renew=partial(_fresh, functions), idle=idle):
        yield functions[number % count], reply


def attend(
    client: HttpClient, agenda: Agenda, meter: Meter
) -> Iterator[tuple[Calls, list[tuple[Function, Reply]] | PluginError]]:
    """Send calls as they become due and as far as the meter allows; yield those that belong together when all are back.

    Calls of which a plugin fails are yielded with its failure in place of answers, and the others go on.

    Raises:
        LimitReachedError: After what was sent is answered.
        UnsupportedError: If a function is called by its platform's own means: one call after the other.
    """
    requests = _AgendaRequests(agenda, meter)
    answers: dict[Calls, list[tuple[Function, Reply]]] = {}
    due = Allowed(agenda, requests.prepare)
    for reply in client.drive(due, lambda _number: requests.prepared()):
        yield from requests.failures()
        owner = requests.answered(reply)
        if owner is None:
            continue
        calls, function = owner
        came = answers.setdefault(calls, [])
        came.append((function, reply))
        if len(came) == calls.schedule.total:
            requests.forget(calls)
            yield calls, answers.pop(calls)
    yield from requests.failures()
    due.settle()


class _AgendaRequests:
    """The requests of an agenda, each made when it is due.

    Args:
        agenda: What is due.
        meter: Refuses calls beyond the limits of the run.
    """

    def __init__(self, agenda: Agenda, meter: Meter) -> None:
        self._agenda = agenda
        self._meter = meter
        self._makers: dict[Calls, list[tuple[Function, Callable[[int], Outgoing]]]] = {}
        self._owners: dict[str, tuple[Calls, Function]] = {}
        self._failures: list[tuple[Calls, PluginError]] = []
        self._prefix, self._sent = str(ULID()), count()
        self._next: Outgoing | None = None

    def prepare(self) -> bool:
        """Make the request that is due; return False where a plugin fails, which ends the calls it belongs to."""
        calls = self._agenda.first
        try:
            if calls not in self._makers:
                self._makers[calls] = [(each, _requests_to(each, self._prefix)) for each in called_by(calls)]
                self._meter.allow(calls.function.platform, calls.function.deployment, calls.schedule.total or 1)
            calls, number = self._agenda.take()
            function, make = self._makers[calls][number % len(self._makers[calls])]
            self._next = make(next(self._sent))
        except PluginError as exc:
            self._agenda.drop(calls)
            self.forget(calls)
            self._owners = {key: owner for key, owner in self._owners.items() if owner[0] is not calls}
            self._failures.append((calls, exc))
            return False
        self._owners[self._next.request_id] = (calls, function)
        return True

    def prepared(self) -> Outgoing:
        """Return the request that was made last."""
        assert self._next is not None
        return self._next

    def answered(self, reply: Reply) -> tuple[Calls, Function] | None:
        """Return what a reply belongs to; None where its calls were given up."""
        return self._owners.pop(reply.request_id, None)

    def forget(self, calls: Calls) -> None:
        """Forget calls that are over."""
        self._makers.pop(calls, None)

    def failures(self) -> Iterator[tuple[Calls, PluginError]]:
        """Yield each failure once."""
        while self._failures:
            yield self._failures.pop(0)


def endpoint_of(function: Function) -> Endpoint | None:
    """Return what a sender calls for a function with its input; None where only its platform can."""
    deployment, exchange = function.deployment, function.platform.exchange(function.deployment)
    if exchange is None and deployment.endpoint is None:
        return None
    return Endpoint(
        url=deployment.endpoint or "",
        payload=_digest(function.payload),
        method=deployment.method,
        headers=_headers(function),
        timeout_s=_timeout_s(function),
        exchange=exchange,
        certificates=function.platform.certificates,
    )


def _requests_to(function: Function, name: str) -> Callable[[int], Outgoing]:
    """Return what makes the requests of one function by their numbers."""
    endpoint = endpoint_of(function)
    if endpoint is None:
        raise UnsupportedError(f"platform {function.platform.name!r} takes one call after the other")
    return requests_to(endpoint, function.payload, name, partial(_fresh, [function], 0))


def _fresh(functions: Sequence[Function], place: int) -> Endpoint:
    """Return the endpoint of a function with headers and an exchange made now."""
    endpoint = endpoint_of(functions[place])
    assert endpoint is not None
    return endpoint


def _headers(function: Function) -> dict[str, str]:
    """Return the headers of requests to a function, signed now."""
    return {**function.deployment.headers, **function.platform.signed(function.deployment, function.payload)}


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _timeout_s(function: Function) -> float:
    return function.deployment.config.timeout_s + function.platform.timeout_margin_s


def _send_by_platform(
    functions: Sequence[Function], schedule: Schedule, idle: Callable[[float], bool] | None
) -> Iterator[tuple[Function, Reply]]:
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
        function = functions[sent % len(functions)]
        platform = function.platform
        reply = platform.invoke(function.deployment, function.payload, _timeout_s(function))
        if reply is None:
            raise PlatformError(f"platform {platform.name!r} has neither an endpoint nor its own invoke")
        sent += 1
        pace.answered(clock.now() - started_s)
        # The platform's clock may be another reading of wall time: nothing is sent before it is due.
        yield function, reply if due_s is None else replace(reply, intended_s=min(started_s + due_s, reply.sent_s))
