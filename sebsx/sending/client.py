"""The HTTP sender that all platforms are measured with: when calls are due, what is sent, and what came back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from sebsx.contracts.schedules import OVER
from sebsx.contracts.senders import Sender
from sebsx.sending.dialogue import Outgoing
from sebsx.sending.engine import Engine
from sebsx.sending.transport import TICK_S
from sebsx.system.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sebsx.contracts.schedules import Schedule
    from sebsx.contracts.senders import Endpoint, Exchange, Work
    from sebsx.model import Reply

__all__ = ["HttpClient", "Outgoing"]

_perf = time.perf_counter

# So many requests that are due are sent before answers are looked for again.
_SENDS = 16
# Renewed headers are asked for again after this long; a platform's are good for two minutes at least.
_RENEWED_S = 60.0


class HttpClient(Sender):
    """Sends calls by a schedule over keep-alive connections, from one thread.

    Args:
        connections: Most connections to one server that are kept open between requests.
    """

    def __init__(self, connections: int = 512) -> None:
        self.in_flight_max = 0
        self._engine = Engine(connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def spun_s(self) -> float:  # type: ignore[override]  # what the engine counts
        """Time spent awake and waiting for a call to become due, since the client was made."""
        return self._engine.transport.spun_s

    def close(self) -> None:
        """Close every connection. Requests in flight are abandoned. A second call is harmless."""
        self._engine.close()

    def send(
        self,
        work: Work,
        payloads: Mapping[str, bytes],
        *,
        renew: Callable[[int], Endpoint] | None = None,
        idle: Callable[[float], bool] | None = None,
    ) -> Iterator[tuple[int, Reply]]:
        """Send work, and yield the number of each call with its reply as they come; see `Sender.send`."""
        makers = [
            requests_to(endpoint, payloads[endpoint.payload], work.name, renew and _renewing(renew, place))
            for place, endpoint in enumerate(work.endpoints)
        ]
        count, skipped = len(makers), len(work.name) + 1

        def request(number: int) -> Outgoing:
            return makers[number % count](number)

        for reply in self.drive(work.schedule, request, max_in_flight=work.max_in_flight, idle=idle):
            yield int(reply.request_id[skipped:]), reply

    def way_to(self, url: str) -> Mapping[str, str]:
        """Return the facts about the way to a URL: `address`, `proxy`, and `fallback` where an address was silent."""
        origin = self._engine.routes.origin_of(url)
        if origin is None:
            return {}
        facts = {"address": origin.address, "proxy": origin.proxy, "fallback": origin.fallback}
        return {name: value for name, value in facts.items() if value}

    def drive(
        self,
        schedule: Schedule,
        request_for: Callable[[int], Outgoing],
        *,
        max_in_flight: int | None = None,
        idle: Callable[[float], bool] | None = None,
    ) -> Iterator[Reply]:
        """Send `request_for(0)`, `request_for(1)`, ... when the schedule says so; yield the replies as they come.

        `send` for requests that are decided while others are on their way. An interrupt is raised when the iterator is
        left.

        Args:
            schedule: When requests are due.
            request_for: Returns a request by its number.
            max_in_flight: A request that is due while so many are in flight is dropped: `error` is `DROPPED`.
            idle: Called with the seconds until something is due, while no answer is there to be read; see
                `Sender.send`.
        """
        engine = self._engine
        pace = _Pace(schedule.begin(), engine, request_for, max_in_flight)
        self.in_flight_max = 0
        with interrupts.shielded():
            try:
                while not interrupts.pending:
                    wait_s = pace.send()
                    if wait_s == OVER:
                        return
                    if not engine.finished:
                        engine.advance(min(TICK_S, wait_s), idle)
                    if engine.finished:
                        replies, engine.finished = engine.finished, []
                        pace.answered(replies)
                        self.in_flight_max = pace.in_flight_max
                        yield from replies
            finally:
                engine.abandon()


class _Pace:
    """One drive: what was sent and answered, and what is due.

    Attributes:
        in_flight_max: Most calls in flight at once.
    """

    def __init__(
        self, schedule: Schedule, engine: Engine, request_for: Callable[[int], Outgoing], max_in_flight: int | None
    ) -> None:
        self.in_flight_max = 0
        self._schedule = schedule
        self._engine = engine
        self._request_for = request_for
        self._cap = OVER if max_in_flight is None else max_in_flight
        self._started_s = _perf()
        self._sent = self._done = 0

    def send(self) -> float:
        """Send what is due, a few at a time; return the seconds to wait: `OVER` when all is sent and answered."""
        due_s, done, started_s = self._schedule.due_s, self._done, self._started_s
        for sent in range(self._sent, self._sent + _SENDS):
            elapsed_s = _perf() - started_s
            next_s = due_s(elapsed_s, sent, done)
            if next_s is None:
                return TICK_S
            if next_s > elapsed_s:
                return OVER if next_s == OVER and sent == done else min(TICK_S, next_s - elapsed_s)
            in_flight = sent - done - len(self._engine.finished)
            if in_flight >= self._cap:
                self._engine.drop(self._request_for(sent), started_s + next_s)
            else:
                self._engine.send(self._request_for(sent), started_s + next_s)
                if in_flight >= self.in_flight_max:
                    self.in_flight_max = in_flight + 1
            self._sent = sent + 1
        return 0.0

    def answered(self, replies: Sequence[Reply]) -> None:
        """Tell the schedule."""
        self._done += len(replies)
        zero_s = self._engine.offset_s + self._started_s
        answered = self._schedule.answered
        for reply in replies:
            answered(reply.done_s - zero_s)


def requests_to(
    endpoint: Endpoint, payload: bytes, name: str, renew: Callable[[], Endpoint] | None = None
) -> Callable[[int], Outgoing]:
    """Return what makes the requests to one endpoint by their numbers.

    Args:
        endpoint: What is called.
        payload: Its body.
        name: What their ids begin with.
        renew: Returns the endpoint with fresh headers and a fresh exchange; None where those given last.
    """
    url, timeout_s, method, exchange = endpoint.url, endpoint.timeout_s, endpoint.method, endpoint.exchange
    headers, fresh_until_s = _lines(endpoint.headers), time.monotonic() + _RENEWED_S
    certificates = endpoint.certificates

    def fresh() -> Exchange | None:
        nonlocal headers, exchange, fresh_until_s
        if renew is not None and time.monotonic() > fresh_until_s:
            renewed = renew()
            headers, exchange, fresh_until_s = _lines(renewed.headers), renewed.exchange, time.monotonic() + _RENEWED_S
        return exchange

    def request(number: int) -> Outgoing:
        several = fresh()
        return Outgoing(
            url, payload, f"{name}-{number}", headers, timeout_s, method, several, fresh, certificates=certificates
        )

    return request


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def _renewing(renew: Callable[[int], Endpoint], place: int) -> Callable[[], Endpoint]:
    return lambda: renew(place)
