"""Calls in flight: each is one request, or one after the other by an exchange, and ends in exactly one reply."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import OVER
from sebsx.contracts.senders import Arrives, Done
from sebsx.errors import UserError
from sebsx.model import DROPPED, Reply
from sebsx.model.clock import client_clock
from sebsx.sending.dialogue import Dialogue, Outgoing, fault
from sebsx.sending.mailbox import Mailbox, Question
from sebsx.sending.route import Routes
from sebsx.sending.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.senders import HttpRequest, Inbox
    from sebsx.sending.connection import Connection
    from sebsx.sending.route import Route

_perf = time.perf_counter

# A server may hold a question to an inbox for half of this.
_QUESTION_S = 60.0


class Engine:
    """Sends calls and gathers the replies.

    Args:
        connections: Most connections to one server that are kept open between requests.

    Attributes:
        finished: Replies that came and were not taken yet.
        offset_s: What is added to `time.perf_counter()` for the times of replies.
        routes: The servers that were met.
        transport: What carries requests.
    """

    def __init__(self, connections: int = 512) -> None:
        self.finished: list[Reply] = []
        self.offset_s = client_clock().offset_s
        self.routes = Routes()
        self.transport = Transport(connections, self._on_answer, self._on_failure)
        # What is to be done later, by its time: a call asks for its result or is given up, an inbox is asked again.
        self._asleep: list[tuple[float, int, Dialogue | Mailbox]] = []
        self._mailboxes: dict[Inbox, Mailbox] = {}
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
        """Give up everything in flight, without replies.

        Questions to inboxes stay open: what their servers find for them is handed to nobody else.
        """
        kept = self.transport.abandon(_asks_inbox)
        self._asleep.clear()
        self.finished.clear()
        for mailbox in self._mailboxes.values():
            mailbox.forget()
        self._deadline_s = OVER
        for connection in kept:
            part = connection.request.part if connection.request is not None else None
            if isinstance(part, Question) and not part.acknowledges:
                part.mailbox.open += 1
            self._deadline_s = min(self._deadline_s, connection.deadline_s)

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
        if request.certificates:
            route.origin.certificates = request.certificates
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
        if self._asleep and self._asleep[0][0] < next_s:
            next_s = self._asleep[0][0]
        if next_s <= now_s:
            next_s = self._do_due(now_s)
        left_s = 0.0 if self.finished else next_s - now_s
        transport.take(wait_s if wait_s < left_s else max(0.0, left_s), idle)

    def _do_due(self, now_s: float) -> float:
        """Ask for results, try further addresses, give up what is late; return when the next of these is due."""
        while self._asleep and self._asleep[0][0] <= now_s:
            sleeper = heapq.heappop(self._asleep)[2]
            if isinstance(sleeper, Mailbox):
                sleeper.ask(now_s)
            elif sleeper.over:
                continue
            elif sleeper.deadline_s <= now_s:
                self.give_up(sleeper, now_s, "timeout")
            else:
                self._ask(sleeper, now_s)
        if self.transport.next_race_s <= now_s:
            self.transport.race(now_s)
        if self._deadline_s <= now_s:
            self._deadline_s = self.transport.expire(now_s)
        return min(self._deadline_s, self.transport.next_race_s, self._asleep[0][0] if self._asleep else OVER)

    def _on_answer(
        self, connection: Connection, now_s: float, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        request = connection.request
        assert request is not None
        part = request.part
        if isinstance(part, Question):
            part.mailbox.answered(part, connection.first_byte_s, now_s, status, headers, body)
            return
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
        if part is None:
            self.finished.append(reply)
        else:
            self._go_on(part, reply, connection, now_s)

    def _on_failure(self, connection: Connection, error: str, limit: str | None) -> None:
        request = connection.request
        assert request is not None
        now_s = _perf()
        dialogue = request.part
        if isinstance(dialogue, Question):
            dialogue.mailbox.failed(dialogue, now_s, error, limit)
            return
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
            self._complete(dialogue, reply)
        else:
            self.finished.append(reply)

    # Calls of several requests

    def _begin(self, request: Outgoing, now_s: float, intended_s: float, deadline_s: float) -> None:
        dialogue = Dialogue(request, intended_s=intended_s, sent_s=now_s, deadline_s=deadline_s)
        wrong = dialogue.begin()
        if wrong is None and request.certificates:
            wrong = self._trust(request)
        if wrong is None:
            try:
                dialogue.mailbox = self._mailbox(dialogue.inbox())
            except Exception as exc:  # noqa: BLE001  # a plugin's: its fault is a failed call
                wrong = fault(dialogue.exchange, "inbox", exc)
        if wrong is not None:
            self.give_up(dialogue, now_s, wrong)
            return
        if dialogue.mailbox is not None:
            dialogue.mailbox.submitted(dialogue)
        self._ask(dialogue, now_s)

    def _trust(self, request: Outgoing) -> str | None:
        """Trust the server of an exchange as it wants; return what went wrong."""
        try:
            self.routes.find(request.url, ()).origin.certificates = request.certificates
        except UserError as exc:
            return str(exc)
        return None

    def _mailbox(self, inbox: Inbox | None) -> Mailbox | None:
        if inbox is None:
            return None
        if inbox not in self._mailboxes:
            self._mailboxes[inbox] = Mailbox(inbox, self)
        return self._mailboxes[inbox]

    def _ask(self, dialogue: Dialogue, now_s: float) -> None:
        """Send the next request of a call."""
        try:
            request, route = self._request(dialogue.request, dialogue.headers, dialogue.request_id, dialogue)
        except (UserError, AttributeError, TypeError) as exc:  # a place that a server, or an exchange, named
            self.give_up(dialogue, now_s, f"what comes next cannot be asked: {exc}")
            return
        self._deadline_s = min(self._deadline_s, dialogue.deadline_s)
        self.transport.launch(request, route, now_s, dialogue.intended_s, dialogue.sent_s, dialogue.deadline_s)

    def ask_inbox(self, question: Question, now_s: float) -> None:
        """Send a question to an inbox."""
        try:
            request, route = self._request(question.request, (), f"inbox-{next(self._number)}", question)
        except (UserError, AttributeError, TypeError) as exc:  # a place that an exchange named
            question.mailbox.failed(question, now_s, f"the inbox cannot be asked: {exc}", None)
            return
        deadline_s = now_s + _QUESTION_S
        self._deadline_s = min(self._deadline_s, deadline_s)
        self.transport.launch(request, route, now_s, now_s, now_s, deadline_s)

    def _request(
        self, asked: HttpRequest, more: Sequence[str], request_id: str, part: Dialogue | Question
    ) -> tuple[Outgoing, Route]:
        """Return a request of several with its route; its own headers come instead of further ones of the same name.

        Raises:
            UserError: If its URL or a header cannot be sent.
        """
        named = {name.lower() for name in asked.headers}
        lines = [line for line in more if line.partition(":")[0].lower() not in named]
        lines += [f"{name}: {value}" for name, value in asked.headers.items()]
        route = self.routes.make(asked.url, lines, asked.method)
        return Outgoing(asked.url, asked.body, request_id, part=part), route

    def _go_on(self, dialogue: Dialogue, reply: Reply, connection: Connection, now_s: float) -> None:
        """Take an answer: to the submission, or to a question."""
        self._note(dialogue, connection)
        assert reply.http_status is not None
        mailbox = dialogue.mailbox
        if mailbox is not None:
            mailbox.heard(dialogue)
        said = dialogue.take(reply.http_status, reply.headers, reply.body, now_s)
        if isinstance(said, float):
            self._ask_later(dialogue, now_s, said)
            return
        if isinstance(said, Arrives):
            if mailbox is not None:
                self._ask_later(dialogue, now_s, OVER)  # there to be given up
                mailbox.wait(dialogue, said.key, now_s)
                return
            said = f"{type(dialogue.exchange).__name__} has no inbox where a result could arrive"
        if isinstance(said, Done):
            reply.http_status, reply.headers, reply.body = said.status, said.headers, said.body
        else:
            reply.http_status, reply.headers, reply.error = None, dialogue.accepted, said
        self._complete(dialogue, reply)

    def _note(self, dialogue: Dialogue, connection: Connection) -> None:
        if dialogue.accepted_s is None:
            dialogue.connected_s, dialogue.attempts = connection.connected_s, connection.attempts

    def _ask_later(self, dialogue: Dialogue, now_s: float, after_s: float) -> None:
        due_s = min(now_s + after_s, dialogue.deadline_s)
        heapq.heappush(self._asleep, (due_s, next(self._number), dialogue))

    def wake(self, mailbox: Mailbox, at_s: float) -> None:
        """Let a mailbox ask at a time."""
        heapq.heappush(self._asleep, (at_s, next(self._number), mailbox))

    def end(self, dialogue: Dialogue, result: Done, first_byte_s: float | None, now_s: float) -> None:
        """Reply to a call with a result that arrived in its inbox."""
        reply = self._reply(dialogue, now_s)
        reply.first_byte_s = None if first_byte_s is None else first_byte_s + self.offset_s
        reply.http_status, reply.headers, reply.body = result.status, result.headers, result.body
        self._complete(dialogue, reply)

    def give_up(self, dialogue: Dialogue, now_s: float, why: str, limit: str | None = None) -> None:
        """Reply to a call that has no request on its way."""
        reply = self._reply(dialogue, now_s)
        reply.error, reply.limit = why, limit
        self._complete(dialogue, reply)

    def _reply(self, dialogue: Dialogue, now_s: float) -> Reply:
        offset_s = self.offset_s
        return Reply(
            dialogue.request_id,
            intended_s=dialogue.intended_s + offset_s,
            sent_s=dialogue.sent_s + offset_s,
            connected_s=None,
            first_byte_s=None,
            done_s=now_s + offset_s,
            http_status=None,
            headers=dialogue.accepted,
            body=b"",
            bytes_out=0,
        )

    def _complete(self, dialogue: Dialogue, reply: Reply) -> None:
        if dialogue.mailbox is not None:
            dialogue.mailbox.leave(dialogue)
        dialogue.complete(reply, self.offset_s)
        self.finished.append(reply)


def _asks_inbox(connection: Connection) -> bool:
    return connection.ready and connection.request is not None and isinstance(connection.request.part, Question)
