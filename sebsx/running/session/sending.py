"""Sends requests to functions when a schedule says so, and yields what comes back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ulid import ULID

from sebsx.contracts.schedules import OVER, Schedule
from sebsx.errors import LimitReachedError, PlatformError, UnsupportedError
from sebsx.interrupts import interrupts
from sebsx.sending.client import Request
from sebsx.sending.clock import client_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.functions import Function
    from sebsx.model import Reply
    from sebsx.running.limits import Meter
    from sebsx.sending.agenda import Agenda, Burst
    from sebsx.sending.client import HttpClient

# A client waits this much longer than the function's time-out, so that the platform's answer is heard.
_TIMEOUT_MARGIN_S = 30.0
# The longest sleep of a platform's own invoke before looking for an interrupt.
_TICK_S = 0.2
# Signed headers are made anew after this long; a platform's are good for two minutes at least.
_SIGNED_S = 60.0


class Allowed(Schedule):
    """A schedule that is over where a limit is reached: what was sent by then is still answered.

    Args:
        schedule: What is sent as long as that is allowed.
        allow: Called before each request; raises `LimitReachedError` to end it.

    Attributes:
        refusal: The limit that ended it; None if none did.
    """

    def __init__(self, schedule: Schedule, allow: Callable[[], None]) -> None:
        self.refusal: LimitReachedError | None = None
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
        if self.refusal is not None:
            return OVER
        due_s = self._schedule.due_s(elapsed_s, sent, done)
        if due_s is not None and due_s <= elapsed_s:
            try:
                self._allow()
            except LimitReachedError as exc:
                self.refusal = exc
                return OVER
        return due_s

    def answered(self, elapsed_s: float) -> None:
        """Tell the schedule."""
        self._schedule.answered(elapsed_s)

    def settle(self) -> None:
        """Raise the limit that ended it, if one did."""
        if self.refusal is not None:
            raise self.refusal


def send(
    client: HttpClient,
    functions: Sequence[Function],
    schedule: Schedule,
    *,
    max_in_flight: int | None = None,
    idle: Callable[[float], bool] | None = None,
) -> Iterator[tuple[Function, Reply]]:
    """Send a schedule to one deployment, and yield each reply with the function that was called.

    Args:
        client: Sends to endpoints; a deployment without one is reached by its platform's own means.
        functions: The deployment with the input of each request, in turn: one for all, or as many as there are.
        schedule: When requests are due.
        max_in_flight: A request that is due while so many are in flight is dropped; None for no cap.
        idle: Called in the gaps; see `HttpClient.drive`.
    """
    if functions[0].deployment.endpoint is None:
        yield from _send_by_platform(functions, schedule, idle)
        return
    makers = [_requests_to(function) for function in functions]
    called: dict[str, Function] = {}

    def request(number: int) -> Request:
        place = number % len(functions)
        made = makers[place](number)
        called[made.request_id] = functions[place]
        return made

    for reply in client.drive(schedule, request, max_in_flight=max_in_flight, idle=idle):
        yield called.pop(reply.request_id), reply


def attend(client: HttpClient, agenda: Agenda, meter: Meter) -> Iterator[tuple[Burst, list[Reply]]]:
    """Send bursts as they become due and as far as the meter allows; yield each when all of it is answered.

    Raises:
        LimitReachedError: After what was sent is answered.
        UnsupportedError: If a function has no endpoint: its platform takes one call after the other.
    """
    makers: dict[int, Callable[[int], Request]] = {}
    owners: dict[str, Burst] = {}
    answers: dict[Burst, list[Reply]] = {}
    begun: set[Burst] = set()

    def allow() -> None:
        if (burst := agenda.first) not in begun:
            meter.allow(burst.function.platform, burst.function.deployment, burst.calls)
            begun.add(burst)

    def request(number: int) -> Request:
        burst = agenda.take()
        function = burst.function
        if function.id not in makers:
            makers[function.id] = _requests_to(function)
        made = makers[function.id](number)
        owners[made.request_id] = burst
        return made

    bursts = Allowed(agenda, allow)
    for reply in client.drive(bursts, request):
        burst = owners.pop(reply.request_id)
        replies = answers.setdefault(burst, [])
        replies.append(reply)
        if len(replies) == burst.calls:
            yield burst, answers.pop(burst)
    bursts.settle()


def _requests_to(function: Function) -> Callable[[int], Request]:
    """Return what makes the requests of one function by their numbers, under ids that no others have."""
    deployment, payload, timeout_s = function.deployment, function.payload, _timeout_s(function)
    if (url := deployment.endpoint) is None:
        raise UnsupportedError(f"platform {function.platform.name!r} takes one call after the other")
    prefix = str(ULID())  # one for all: drawing one for each request costs as much as sending it
    headers, fresh_until_s = _headers(function), time.monotonic() + _SIGNED_S

    def request(number: int) -> Request:
        nonlocal headers, fresh_until_s
        if time.monotonic() > fresh_until_s:
            headers, fresh_until_s = _headers(function), time.monotonic() + _SIGNED_S
        return Request(url, payload, f"{prefix}-{number}", headers, timeout_s, deployment.method)

    return request


def _headers(function: Function) -> list[str]:
    """Return the header lines of requests to a function, signed now."""
    signed = function.platform.signed(function.deployment, function.payload)
    return [f"{name}: {value}" for name, value in {**function.deployment.headers, **signed}.items()]


def _timeout_s(function: Function) -> float:
    return function.deployment.config.timeout_s + _TIMEOUT_MARGIN_S


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
