"""Connections, one selector, one thread: requests go out, and each ends in an answer or in a failure.

Chosen by measurement (`tests/perf/load.py`; 16 connections to nginx on this machine, processor time a request):
libcurl's multi interface through pycurl took 100 us, of which 60 in calls back into Python for each socket and
timer; this takes a fifth of it. Every step of a request is then ours to time: when it was due, sent, connected,
and when the first and the last byte came.

A request is sent again in one case: the connection had been idle, and nothing of the request was taken by the kernel
when it proved broken. All else may have been received, and a function that ran must not run twice for one row.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from sebsx.contracts.schedules import OVER
from sebsx.sending.connection import READ, RECEIVE_BYTES, WRITE, Connection
from sebsx.sending.faults import BrokenConnectionError, limit_of, reason
from sebsx.sending.http1 import MOST_BYTES, AnswerReader, whole
from sebsx.sending.lookups import LookedUpNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.sending.dialogue import Outgoing
    from sebsx.sending.route import Origin, Route

_perf = time.perf_counter

# The longest sleep before looking for an interrupt again.
TICK_S = 0.2
# Timers of Linux wake up to about 60 us late (50 us of slack): sleep so much shorter, and spin for what is left.
_SLACK_S = 60e-6
# As long as libcurl: what was idle for longer may have been forgotten on its way without a word.
_IDLE_S = 118.0
# A server that closes right behind an answer does so from the first one on: a connection that has been used so often
# and was idle for so short a time is taken without a look.
_PROVEN = 8
_SURE_S = 1e-3
# So many answers are taken before requests that are due are looked for: a server that paused has hundreds at once.
_ANSWERS = 16


class Answered(Protocol):
    """Takes an answer; the connection has its request and its times, and is kept or closed afterwards."""

    def __call__(  # noqa: D102  # said above
        self, connection: Connection, now_s: float, status: int, headers: Mapping[str, str], body: bytes
    ) -> None: ...


class Transport:
    """Carries requests over keep-alive connections.

    Args:
        connections: Most connections to one server that are kept open between requests.
        answered: Takes answers.
        failed: Takes a connection whose request has no answer and will have none, with the reason, and the limit of
            this machine behind it where it was that.

    Attributes:
        busy: Connections with a request on them.
        origins: Servers whose connections are closed at the end.
        next_race_s: When a further address is tried; `OVER` for none.
        spun_s: Time spent awake and waiting for something to be due.
    """

    def __init__(
        self, connections: int, answered: Answered, failed: Callable[[Connection, str, str | None], None]
    ) -> None:
        self.busy: dict[Connection, None] = {}
        self.origins: dict[Origin, None] = {}
        self.next_race_s = OVER
        self.spun_s = 0.0
        self._connections = connections
        self._answered = answered
        self._failed = failed
        self._selector = selectors.DefaultSelector()
        # A selector is itself a file to wait for, with finer time-outs than its own.
        self._fileno: int | None = getattr(self._selector, "fileno", lambda: None)()
        self._racing: dict[Connection, None] = {}
        self._told: deque[tuple[Connection, int]] = deque()  # of what events, which were not taken yet
        self._looked_up = LookedUpNames()
        self._selector.register(self._looked_up, READ, None)

    def close(self) -> None:
        """Close every connection; once."""
        self.abandon()
        for origin in self.origins:
            for connection in origin.idle:
                connection.close()
            origin.idle.clear()
        self._selector.close()
        self._looked_up.close()

    def abandon(self, kept: Callable[[Connection], bool] = lambda _connection: False) -> list[Connection]:
        """Give up every request except those on connections that are to be kept, and return these."""
        left = [connection for connection in self.busy if kept(connection)]
        for connection in self.busy:
            if connection not in left:
                connection.close()
        for origin in self.origins:
            origin.waiting.clear()
        self.busy = dict.fromkeys(left)
        self._racing.clear()
        self._told.clear()
        self.next_race_s = OVER
        return left

    def launch(
        self, request: Outgoing, route: Route, now_s: float, intended_s: float, sent_s: float, deadline_s: float
    ) -> None:
        """Send a request over an idle connection, or open one.

        Args:
            request: What is sent.
            route: Where to.
            now_s: The time.
            intended_s: When it was due.
            sent_s: When its call began: now, unless the request is a later one of a call of several.
            deadline_s: When the call is given up.
        """
        origin = route.origin
        idle = origin.idle
        while idle:
            connection = idle.pop()
            idle_s = now_s - connection.idle_since_s
            # A look costs a twentieth of a request.
            sure = idle_s < _SURE_S and connection.uses > _PROVEN
            if sure or (idle_s < _IDLE_S and not (connection.peek(0) and connection.gone())):
                connection.reused = True
                connection.uses += 1
                connection.connected_s = now_s
                break
            connection.close()
        else:
            connection = Connection(self._selector, origin)
            self.origins[origin] = None
        connection.request = request
        connection.head = route.head
        connection.intended_s = intended_s
        connection.sent_s = sent_s
        connection.deadline_s = deadline_s
        self.busy[connection] = None
        if connection.reused:
            self._transmit(connection)
        else:
            self._open(connection)

    def expire(self, now_s: float) -> float:
        """Fail what waited for too long, and return the earliest deadline of what is left.

        An answer that is there is taken: that nobody looked at it in time is of our making.
        """
        for connection in [each for each in self.busy if each.deadline_s <= now_s]:
            if connection.ready:
                self._receive(connection)
            if connection in self.busy and connection.deadline_s <= now_s:
                self._fail(connection, "timeout")
        return min((each.deadline_s for each in self.busy), default=OVER)

    def race(self, now_s: float) -> None:
        """Try further addresses where those tried before are silent."""
        for connection in list(self._racing):
            self._widen(connection, now_s)
        races = [each.race.next_s for each in self._racing if each.race is not None and each.race.next_s is not None]
        self.next_race_s = min(races, default=OVER)

    def take(self, wait_s: float, idle: Callable[[float], bool] | None) -> None:
        """Wait for answers at most `wait_s`, and take in what came: a few at a time, the others with the next calls."""
        if not self._told and not self._look(wait_s, idle):
            return
        for _ in range(min(_ANSWERS, len(self._told))):
            connection, events = self._told.popleft()
            if events & READ:
                self._receive(connection)
            # What was read may have ended the connection, or its request.
            if events & WRITE and connection.out is not None and connection.sock is not None:
                self._transmit_rest(connection)

    def _look(self, wait_s: float, idle: Callable[[float], bool] | None) -> bool:
        """Wait for what comes, and go on connecting; return whether the time was not used otherwise."""
        ready = []
        if idle is not None and wait_s > _SLACK_S:
            ready = self._selector.select(0)
            if not ready and idle(wait_s):
                return False
        for key, events in ready or self._sleep(wait_s):
            connection = key.data
            if connection is None:
                self._take_addresses()
            elif not connection.ready:
                self._proceed(connection, key.fd)
            else:
                self._told.append((connection, events))
        return True

    def _open(self, connection: Connection) -> None:
        try:
            addresses = connection.origin.addresses(self._looked_up.tell)
            if not addresses:
                connection.origin.waiting.append(connection)
                return
            connection.connect(addresses, _perf())
        except BrokenConnectionError as exc:
            self._fail(connection, str(exc), exc.limit)
            return
        self._watch_race(connection)

    def _watch_race(self, connection: Connection) -> None:
        race = connection.race
        if race is not None and race.next_s is not None:
            self._racing[connection] = None
            self.next_race_s = min(self.next_race_s, race.next_s)

    def _proceed(self, connection: Connection, fd: int) -> None:
        """Go on connecting."""
        if connection not in self.busy:
            return  # told of before it was closed
        now_s = _perf()
        try:
            stands = connection.proceed(fd, now_s)
        except BrokenConnectionError as exc:
            self._fail(connection, str(exc), exc.limit)
            return
        if stands:
            connection.connected_s = _perf()
            self._transmit(connection)
        else:
            self._watch_race(connection)

    def _transmit(self, connection: Connection) -> None:
        """Hand the request to the kernel; what does not fit follows when there is room."""
        request = connection.request
        assert request is not None
        assert connection.sock is not None
        body = request.body
        data = b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
            connection.head, request.request_id.encode("latin-1"), len(body), body,
        )  # fmt: skip
        try:
            count = connection.sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            count = 0
        except OSError as exc:
            if connection.reused and limit_of(exc.errno) is None:
                self._send_again(connection)
            else:
                self._broken(connection, exc)
            return
        if count < len(data):
            connection.out = memoryview(data)[count:]
            connection.watch(READ | WRITE)

    def _transmit_rest(self, connection: Connection) -> None:
        assert connection.sock is not None
        assert connection.out is not None
        try:
            count = connection.sock.send(connection.out)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as exc:
            self._broken(connection, exc)
            return
        connection.out = connection.out[count:] or None
        if connection.out is None:
            connection.watch(READ)

    def _send_again(self, connection: Connection) -> None:
        """Send a request once more, over a new connection: nothing of it was taken by the one that had been idle."""
        self.busy.pop(connection)
        connection.close()
        again = Connection(self._selector, connection.origin)
        again.request, again.head = connection.request, connection.head
        again.intended_s, again.sent_s = connection.intended_s, connection.sent_s
        again.deadline_s = connection.deadline_s
        again.attempts = connection.attempts + 1
        self.busy[again] = None
        self._open(again)

    def _broken(self, connection: Connection, exc: OSError) -> None:
        """Give up sending; the server may have answered before it closed, such as that the request is too large."""
        connection.out = None
        self._receive(connection)
        if connection.sock is not None and connection in self.busy:
            self._fail(connection, reason(exc), limit_of(exc.errno))

    def _receive(self, connection: Connection) -> None:
        """Read until the answer is complete or nothing more is there."""
        sock = connection.sock
        while sock is not None:
            try:
                data = sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as exc:
                self._end(connection, reason(exc), limit_of(exc.errno))
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
                    self._finish(connection, now_s, *parsed, True)
                    return
                answer = connection.answer = AnswerReader(MOST_BYTES)
            if self._fed(connection, answer, data, now_s):
                return

    def _fed(self, connection: Connection, answer: AnswerReader, data: bytes, now_s: float) -> bool:
        """Take a piece of an answer, and tell whether its request is over."""
        try:
            answer.feed(data)
        except ValueError as exc:
            self._fail(connection, str(exc))
            return True
        if answer.complete:
            self._finish(connection, now_s, answer.status, answer.headers, answer.body, answer.stays_open)
        elif now_s >= connection.deadline_s:  # a server that never pauses must not delay the others
            self._fail(connection, "timeout")
        else:
            return False
        return True

    def _on_end(self, connection: Connection, now_s: float) -> None:
        """Take in that the server closed the connection, or spoke without being asked."""
        answer = connection.answer
        if connection.request is not None and answer is not None and answer.end():
            self._finish(connection, now_s, answer.status, answer.headers, answer.body, False)
        else:
            begun = "before its answer was complete" if connection.first_byte_s is not None else "without an answer"
            self._end(connection, f"the server closed the connection {begun}")

    def _end(self, connection: Connection, why: str, limit: str | None = None) -> None:
        """Take in that a connection is of no use any more, with or without a request on it."""
        if connection.request is not None:
            self._fail(connection, why, limit)
            return
        with contextlib.suppress(ValueError):
            connection.origin.idle.remove(connection)
        connection.close()

    def _finish(
        self, connection: Connection, now_s: float, status: int, headers: Mapping[str, str], body: bytes, keep: bool
    ) -> None:
        """Hand an answer on, and keep the connection for the next request where that may be."""
        del self.busy[connection]
        self._answered(connection, now_s, status, headers, body)
        idle = connection.origin.idle
        if keep and connection.out is None and len(idle) < self._connections:
            connection.request = connection.answer = connection.first_byte_s = None
            connection.idle_since_s = now_s
            idle.append(connection)
        else:
            connection.close()

    def _fail(self, connection: Connection, why: str, limit: str | None = None) -> None:
        """Give a request up."""
        self.busy.pop(connection)
        self._racing.pop(connection, None)
        connection.close()
        if connection in connection.origin.waiting:
            connection.origin.waiting.remove(connection)
        self._failed(connection, why, limit)

    def _widen(self, connection: Connection, now_s: float) -> None:
        """Try a further address where the ones before are silent."""
        race = connection.race
        if race is None or race.next_s is None:
            self._racing.pop(connection, None)
        elif race.next_s <= now_s:
            try:
                race.advance(now_s)
            except BrokenConnectionError as exc:
                self._fail(connection, str(exc), exc.limit)

    def _sleep(self, wait_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        if wait_s >= TICK_S or self._fileno is None:
            return self._selector.select(min(wait_s, TICK_S))
        if wait_s > _SLACK_S:
            select.select((self._fileno,), (), (), wait_s - _SLACK_S)
            return self._selector.select(0)
        before_s = _perf()
        ready = self._selector.select(0)
        if not ready:
            self.spun_s += _perf() - before_s
        return ready

    def _take_addresses(self) -> None:
        for origin, error, limit in self._looked_up.take():
            waiting, origin.waiting = origin.waiting, []
            for connection in waiting:
                if error is None:
                    self._open(connection)
                else:
                    self._fail(connection, f"could not connect: host {origin.connect_to[0]!r}: {error}", limit)
