"""Calls in flight: each is one request, or one after the other by an exchange, and ends in exactly one reply."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import OVER
from sebsx.contracts.senders import Done
from sebsx.errors import UserError
from sebsx.model import DROPPED, Reply
from sebsx.model.clock import client_clock
from sebsx.sending.dialogue import Dialogue, Outgoing
from sebsx.sending.route import Routes
from sebsx.sending.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.sending.connection import Connection

_perf = time.perf_counter


class Engine:
    """Sends calls and gathers the replies.

    Args:
        connections: Most connections to one server that are kept open between requests.

    Attributes:
        finished: Replies that came and were not taken yet.
        offset_s: What is added to `time.perf_counter()` for the times of replies.
        routes: The servers that were met.
        transport: What carries requests.
        asleep: Calls that wait to ask for their result, by the time of the question: a heap.
    """

    def __init__(self, connections: int = 512) -> None:
        self.finished: list[Reply] = []
        self.offset_s = client_clock().offset_s
        self.routes = Routes()
        self.transport = Transport(connections, self._on_answer, self._on_failure)
        self.asleep: list[tuple[float, int, Dialogue]] = []
        self._number = itertools.count()
        self._deadline_s = OVER  # no request's is earlier
        self._closed = False

    def close(self) -> None:
        """Close every connection. Calls in flight are abandoned. A second call is harmless."""
        if not self._closed:
            self._closed = True
            self.abandon()
            self.transport.close()

    def abandon(self) -> None:
        """Give up everything in flight, without replies."""
        self.transport.abandon()
        self.asleep.clear()
        self.finished.clear()
        self._deadline_s = OVER

    def send(self, request: Outgoing, intended_s: float) -> None:
        """Send a call.

        Raises:
            UserError: If its URL or a header cannot be sent.
        """
        now_s = _perf()
        deadline_s = now_s + request.timeout_s
        if deadline_s < self._deadline_s:
            self._deadline_s = deadline_s
        if request.exchange is not None:
            self._begin(request, now_s, intended_s, deadline_s)
            return
        route = self.routes.find(request.url, request.headers, request.method)
        self.transport.launch(request, route, now_s, intended_s, now_s, deadline_s)

    def drop(self, request: Outgoing, intended_s: float) -> None:
        """Reply to a call that is not sent."""
        now_s = _perf() + self.offset_s
        intended_s += self.offset_s
        self.finished.append(
            Reply(
                request.request_id,
                intended_s=intended_s,
                sent_s=now_s,
                connected_s=None,
                first_byte_s=None,
                done_s=now_s,
                http_status=None,
                headers={},
                body=b"",
                bytes_out=0,
                error=DROPPED,
            )
        )

    def advance(self, wait_s: float, idle: Callable[[float], bool] | None) -> None:
        """Do what is due, wait for answers at most `wait_s`, and take in what came."""
        now_s = _perf()
        transport = self.transport
        next_s = min(transport.next_race_s, self._deadline_s)
        if self.asleep and self.asleep[0][0] < next_s:
            next_s = self.asleep[0][0]
        if next_s <= now_s:
            next_s = self._do_due(now_s)
        left_s = 0.0 if self.finished else next_s - now_s
        transport.take(wait_s if wait_s < left_s else max(0.0, left_s), idle)

    def _do_due(self, now_s: float) -> float:
        """Ask for results, try further addresses, give up what is late; return when the next of these is due."""
        while self.asleep and self.asleep[0][0] <= now_s:
            dialogue = heapq.heappop(self.asleep)[2]
            if dialogue.deadline_s <= now_s:
                self._give_up(dialogue, now_s, "timeout")
            else:
                self._ask(dialogue, now_s)
        if self.transport.next_race_s <= now_s:
            self.transport.race(now_s)
        if self._deadline_s <= now_s:
            self._deadline_s = self.transport.expire(now_s)
        return min(self._deadline_s, self.transport.next_race_s, self.asleep[0][0] if self.asleep else OVER)

    def _on_answer(
        self, connection: Connection, now_s: float, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        request = connection.request
        assert request is not None
        offset_s = self.offset_s
        connected_s, first_byte_s = connection.connected_s, connection.first_byte_s
        reply = Reply(
            request.request_id,
            intended_s=connection.intended_s + offset_s,
            sent_s=connection.sent_s + offset_s,
            connected_s=None if connected_s is None else connected_s + offset_s,
            first_byte_s=None if first_byte_s is None else first_byte_s + offset_s,
            done_s=now_s + offset_s,
            http_status=status,
            headers=headers,
            body=body,
            bytes_out=len(request.body),
            error=None,
            attempts=connection.attempts,
        )
        if request.dialogue is None:
            self.finished.append(reply)
        else:
            self._go_on(request.dialogue, reply, connection, now_s)

    def _on_failure(self, connection: Connection, error: str, limit: str | None) -> None:
        request = connection.request
        assert request is not None
        now_s = _perf()
        dialogue = request.dialogue
        if dialogue is not None:
            self._note(dialogue, connection)
            again_s = dialogue.broken() if limit is None and now_s < connection.deadline_s else None
            if again_s is not None:
                self._ask_later(dialogue, now_s, again_s)
                return
        offset_s = self.offset_s
        connected_s, first_byte_s = connection.connected_s, connection.first_byte_s
        reply = Reply(
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
            attempts=connection.attempts,
            limit=limit,
        )
        if dialogue is not None:
            dialogue.complete(reply, offset_s)
        self.finished.append(reply)

    # Calls of several requests

    def _begin(self, request: Outgoing, now_s: float, intended_s: float, deadline_s: float) -> None:
        assert request.exchange is not None
        dialogue = Dialogue(
            request.exchange,
            request.body,
            request.request_id,
            intended_s=intended_s,
            sent_s=now_s,
            deadline_s=deadline_s,
        )
        wrong = dialogue.begin()
        if wrong is not None:
            self._give_up(dialogue, now_s, wrong)
        else:
            self._ask(dialogue, now_s)

    def _ask(self, dialogue: Dialogue, now_s: float) -> None:
        """Send the next request of a call."""
        asked = dialogue.request
        try:
            lines = [f"{name}: {value}" for name, value in asked.headers.items()]
            route = self.routes.make(asked.url, lines, asked.method)
            request = Outgoing(asked.url, asked.body, dialogue.request_id, dialogue=dialogue)
        except (UserError, AttributeError, TypeError) as exc:  # a place that a server, or an exchange, named
            self._give_up(dialogue, now_s, f"what comes next cannot be asked: {exc}")
            return
        self._deadline_s = min(self._deadline_s, dialogue.deadline_s)
        self.transport.launch(request, route, now_s, dialogue.intended_s, dialogue.sent_s, dialogue.deadline_s)

    def _go_on(self, dialogue: Dialogue, reply: Reply, connection: Connection, now_s: float) -> None:
        """Take an answer: to the submission, or to a question."""
        self._note(dialogue, connection)
        assert reply.http_status is not None
        said = dialogue.take(reply.http_status, reply.headers, reply.body, now_s)
        if isinstance(said, float):
            self._ask_later(dialogue, now_s, said)
            return
        if isinstance(said, Done):
            reply.http_status, reply.headers, reply.body = said.status, said.headers, said.body
        else:
            reply.http_status, reply.headers, reply.error = None, {}, said
        dialogue.complete(reply, self.offset_s)
        self.finished.append(reply)

    def _note(self, dialogue: Dialogue, connection: Connection) -> None:
        if dialogue.accepted_s is None:
            dialogue.connected_s, dialogue.attempts = connection.connected_s, connection.attempts

    def _ask_later(self, dialogue: Dialogue, now_s: float, after_s: float) -> None:
        due_s = min(now_s + after_s, dialogue.deadline_s)
        heapq.heappush(self.asleep, (due_s, next(self._number), dialogue))

    def _give_up(self, dialogue: Dialogue, now_s: float, why: str) -> None:
        """Reply to a call that has no request on its way."""
        offset_s = self.offset_s
        reply = Reply(
            dialogue.request_id,
            intended_s=dialogue.intended_s + offset_s,
            sent_s=dialogue.sent_s + offset_s,
            connected_s=None,
            first_byte_s=None,
            done_s=now_s + offset_s,
            http_status=None,
            headers={},
            body=b"",
            bytes_out=0,
            error=why,
        )
        dialogue.complete(reply, offset_s)
        self.finished.append(reply)
