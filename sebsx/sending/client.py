"""The HTTP client that all platforms are measured with: sockets, one selector, one thread.

Chosen by measurement (`tests/perf/load.py`; 16 connections to nginx on this machine, processor time a request):
libcurl's multi interface through pycurl took 100 us, of which 60 in calls back into Python for each socket and
timer; this takes a fifth of it. Every step of a request is then ours to time: when it was due, sent, connected,
and when the first and the last byte came.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sebsx.contracts.schedules import OVER
from sebsx.interrupts import interrupts
from sebsx.model import DROPPED, Reply
from sebsx.sending.clock import client_clock
from sebsx.sending.connection import READ, RECEIVE_BYTES, WRITE, BrokenConnectionError, Connection
from sebsx.sending.http1 import Answer, Headers, whole
from sebsx.sending.route import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sebsx.contracts.schedules import Schedule
    from sebsx.sending.route import Origin

_perf = time.perf_counter

# The longest sleep before looking for an interrupt again.
_TICK_S = 0.2
# Timers of Linux wake up to about 60 us late (50 us of slack): sleep so much shorter, and spin for what is left.
_SLACK_S = 60e-6
# So many requests that are due are sent before answers are looked for again.
_SENDS = 16


@dataclass(slots=True)
class Request:
    """One request: where to, with what, and under which id.

    `headers` are whole lines; give the same object with every request, it is looked at once.
    """

    url: str
    body: bytes
    request_id: str
    headers: Sequence[str] = ()
    timeout_s: float = 60.0
    method: str = "POST"


class HttpClient:
    """Sends requests by a schedule over keep-alive connections, from one thread.

    Args:
        connections: Most connections to one server that are kept open between requests.

    Attributes:
        spun_s: Time spent awake and waiting for a request to become due, since the client was made.
        in_flight_max: Most requests in flight at once in the last drive.
    """

    def __init__(self, connections: int = 512) -> None:
        self.spun_s = 0.0
        self.in_flight_max = 0
        self._offset_s = client_clock().offset_s
        self._connections = connections
        self._selector = selectors.DefaultSelector()
        # A selector is itself a file to wait for, with finer time-outs than its own.
        self._fileno: int | None = getattr(self._selector, "fileno", lambda: None)()
        self._routes = Routes()
        self._busy: dict[Connection, None] = {}
        self._finished: list[Reply] = []
        self._next_deadline_s = OVER
        self._looked_up: deque[tuple[Origin, str | None]] = deque()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._selector.register(self._wake_receiver.fileno(), READ, None)
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. Requests in flight are abandoned. A second call is harmless."""
        if self._closed:
            return
        self._closed = True
        self._abandon()
        for origin in self._routes.origins():
            for connection in origin.idle:
                connection.close()
            origin.idle.clear()
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def drive(
        self,
        schedule: Schedule,
        request_for: Callable[[int], Request],
        *,
        max_in_flight: int | None = None,
        idle: Callable[[float], bool] | None = None,
    ) -> Iterator[Reply]:
        """Send `request_for(0)`, `request_for(1)`, ... when the schedule says so; yield the replies as they come.

        Every request gives exactly one reply; one that could not be sent or answered carries an `error`. Closing
        the iterator abandons what is in flight. An interrupt is raised when the iterator is left.

        Args:
            schedule: When requests are due.
            request_for: Returns a request by its number.
            max_in_flight: A request that is due while so many are in flight is dropped: `error` is `DROPPED`.
            idle: Called with the seconds until something is due, while no answer is there to be read. Returns
                whether it did something; it should then take no more than tens of microseconds.
        """
        pace = schedule.begin()
        self.in_flight_max = 0
        started_s = _perf()
        sent = done = 0
        with interrupts.shielded():
            try:
                while not interrupts.pending:
                    wait_s = _TICK_S
                    for _ in range(_SENDS):
                        elapsed_s = _perf() - started_s
                        due_s = pace.due_s(elapsed_s, sent, done)
                        if due_s is None or due_s > elapsed_s:
                            break
                        if max_in_flight is not None and len(self._busy) >= max_in_flight:
                            self._drop(request_for(sent), started_s + due_s)
                        else:
                            self._send(request_for(sent), started_s + due_s)
                        sent += 1
                    else:
                        due_s = elapsed_s
                    if due_s is not None:
                        if due_s == OVER and sent == done:
                            return
                        wait_s = min(_TICK_S, due_s - elapsed_s)
                    if not self._finished:
                        self._advance(wait_s, idle)
                    if self._finished:
                        replies, self._finished = self._finished, []
                        done += len(replies)
                        for reply in replies:
                            pace.answered(reply.done_s - self._offset_s - started_s)
                        yield from replies
            finally:
                self._abandon()

    def _send(self, request: Request, intended_s: float) -> None:
        """Send over an idle connection, or open one."""
        origin = self._routes.find(request.url, request.headers, request.method).origin
        now_s = _perf()
        if origin.idle:
            connection = origin.idle.pop()
            connection.reused = True
            connection.connected_s = now_s
        else:
            connection = Connection(self._selector, origin)
        connection.request = request
        connection.intended_s = intended_s
        connection.sent_s = now_s
        connection.deadline_s = deadline_s = now_s + request.timeout_s
        if deadline_s < self._next_deadline_s:
            self._next_deadline_s = deadline_s
        self._busy[connection] = None
        if len(self._busy) > self.in_flight_max:
            self.in_flight_max = len(self._busy)
        if connection.reused:
            self._transmit(connection)
        else:
            self._open(connection)

    def _open(self, connection: Connection) -> None:
        addresses = connection.origin.addresses(self._on_looked_up)
        if not addresses:
            connection.origin.waiting.append(connection)
            return
        try:
            connection.connect(addresses)
        except BrokenConnectionError as exc:
            self._fail(connection, str(exc))

    def _transmit(self, connection: Connection) -> None:
        """Hand the request to the kernel; what does not fit follows when there is room."""
        request = connection.request
        assert request is not None
        assert connection.sock is not None
        head = self._routes.find(request.url, request.headers, request.method).head
        body = request.body
        data = b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (head, request.request_id.encode("latin-1"), len(body), body)
        try:
            count = connection.sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            count = 0
        except OSError as exc:
            self._lost(connection, exc.strerror or str(exc))
            return
        if count < len(data):
            connection.out = memoryview(data)[count:]
            connection.watch(READ | WRITE)

    def _advance(self, wait_s: float, idle: Callable[[float], bool] | None) -> None:
        """Wait for answers at most `wait_s`, and take in what came."""
        now_s = _perf()
        if self._next_deadline_s <= now_s:
            self._expire(now_s)
            return
        wait_s = min(wait_s, self._next_deadline_s - now_s)
        ready = []
        if idle is not None and wait_s > _SLACK_S:
            ready = self._selector.select(0)
            if not ready and idle(wait_s):
                return
        if not ready:
            ready = self._sleep(wait_s)
        for key, events in ready:
            connection = key.data
            if connection is None:
                self._take_addresses()
            elif connection.ready:
                if events & READ:
                    self._receive(connection)
                if events & WRITE and connection.out is not None:
                    self._transmit_rest(connection)
            else:
                self._proceed(connection)

    def _sleep(self, wait_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        if wait_s >= _TICK_S or self._fileno is None:
            return self._selector.select(min(wait_s, _TICK_S))
        if wait_s > _SLACK_S:
            select.select((self._fileno,), (), (), wait_s - _SLACK_S)
            return self._selector.select(0)
        before_s = _perf()
        ready = self._selector.select(0)
        if not ready:
            self.spun_s += _perf() - before_s
        return ready

    def _receive(self, connection: Connection) -> None:
        """Read until the answer is complete or nothing more is there."""
        sock = connection.sock
        while sock is not None:
            try:
                data = sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as exc:
                self._lost(connection, exc.strerror or str(exc))
                return
            now_s = _perf()
            if connection.request is None or not data:
                self._on_end(connection, now_s)
                return
            if connection.first_byte_s is None:
                connection.first_byte_s = now_s
            answer = connection.answer
            if answer is None:
                parsed = whole(data)
                if parsed is not None:
                    status, head, body = parsed
                    self._finish(connection, now_s, status, Headers(head), body, True)
                    return
                answer = connection.answer = Answer()
            try:
                answer.feed(data)
            except ValueError as exc:
                self._fail(connection, str(exc))
                return
            if answer.complete:
                self._finish(connection, now_s, answer.status, answer.headers, answer.body, answer.stays_open)
                return

    def _on_end(self, connection: Connection, now_s: float) -> None:
        """Take in that the server closed the connection, or spoke without being asked."""
        if connection.request is None:
            connection.origin.idle.remove(connection)
            connection.close()
        elif connection.answer is not None and connection.answer.end():
            answer = connection.answer
            self._finish(connection, now_s, answer.status, answer.headers, answer.body, False)
        else:
            self._lost(connection, "the server closed the connection without an answer")

    def _transmit_rest(self, connection: Connection) -> None:
        assert connection.sock is not None
        assert connection.out is not None
        try:
            count = connection.sock.send(connection.out)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as exc:
            self._lost(connection, exc.strerror or str(exc))
            return
        connection.out = connection.out[count:] or None
        if connection.out is None:
            connection.watch(READ)

    def _proceed(self, connection: Connection) -> None:
        """Go on connecting."""
        try:
            stands = connection.proceed()
        except BrokenConnectionError as exc:
            self._fail(connection, str(exc))
            return
        if stands:
            connection.connected_s = _perf()
            self._transmit(connection)

    def _lost(self, connection: Connection, why: str) -> None:
        """Try again where an idle connection had been closed while we sent; else give up."""
        if connection.request is not None and connection.reused and connection.first_byte_s is None:
            self._busy.pop(connection)
            connection.close()
            again = Connection(self._selector, connection.origin)
            again.request = connection.request
            again.intended_s, again.sent_s = connection.intended_s, connection.sent_s
            again.deadline_s = connection.deadline_s
            self._busy[again] = None
            self._open(again)
        elif connection.request is None:
            self._on_end(connection, _perf())
        else:
            self._fail(connection, why)

    def _finish(
        self, connection: Connection, now_s: float, status: int, headers: Mapping[str, str], body: bytes, keep: bool
    ) -> None:
        request = connection.request
        assert request is not None
        offset_s = self._offset_s
        connected_s, first_byte_s = connection.connected_s, connection.first_byte_s
        del self._busy[connection]
        self._finished.append(
            Reply(
                request.request_id,
                connection.intended_s + offset_s,
                connection.sent_s + offset_s,
                None if connected_s is None else connected_s + offset_s,
                None if first_byte_s is None else first_byte_s + offset_s,
                now_s + offset_s,
                status,
                headers,
                body,
                len(request.body),
            )
        )
        idle = connection.origin.idle
        if keep and connection.out is None and len(idle) < self._connections:
            connection.request = connection.answer = connection.first_byte_s = None
            idle.append(connection)
        else:
            connection.close()

    def _fail(self, connection: Connection, error: str) -> None:
        """Give a request up: its reply carries the reason."""
        request = connection.request
        assert request is not None
        self._busy.pop(connection)
        connection.close()
        if connection in connection.origin.waiting:
            connection.origin.waiting.remove(connection)
        offset_s, now_s = self._offset_s, _perf()
        connected_s, first_byte_s = connection.connected_s, connection.first_byte_s
        self._finished.append(
            Reply(
                request_id=request.request_id,
                intended_s=connection.intended_s + offset_s,
                sent_s=connection.sent_s + offset_s,
                connected_s=None if connected_s is None else connected_s + offset_s,
                first_byte_s=None if first_byte_s is None else first_byte_s + offset_s,
                done_s=now_s + offset_s,
                http_status=None,
                headers={},
                body=b"",
                bytes_out=len(request.body),
                error=error,
            )
        )

    def _drop(self, request: Request, intended_s: float) -> None:
        now_s = _perf() + self._offset_s
        intended_s += self._offset_s
        self._finished.append(
            Reply(request.request_id, intended_s, now_s, None, None, now_s, None, {}, b"", 0, error=DROPPED)
        )

    def _expire(self, now_s: float) -> None:
        """Give up what has waited for too long, and note when to look again."""
        for connection in [each for each in self._busy if each.deadline_s <= now_s]:
            self._fail(connection, "timeout")
        self._next_deadline_s = min((each.deadline_s for each in self._busy), default=OVER)

    def _on_looked_up(self, origin: Origin, error: str | None) -> None:
        """Hear, in a thread, that a name was looked up, and wake the loop."""
        self._looked_up.append((origin, error))
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"\0")

    def _take_addresses(self) -> None:
        self._wake_receiver.recv(64)
        while self._looked_up:
            origin, error = self._looked_up.popleft()
            waiting, origin.waiting = origin.waiting, []
            for connection in waiting:
                if error is None:
                    self._open(connection)
                else:
                    self._fail(connection, f"could not connect: host {origin.connect_to[0]!r}: {error}")

    def _abandon(self) -> None:
        for connection in self._busy:
            connection.close()
        for origin in self._routes.origins():
            origin.waiting.clear()
        self._busy.clear()
        self._finished.clear()
        self._next_deadline_s = OVER
