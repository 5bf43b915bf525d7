"""One call of several requests: what was submitted, what is asked next, and the times of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.contracts.senders import Arrives, Ask, Done, HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.senders import Exchange, Inbox
    from sebsx.model import Reply
    from sebsx.sending.mailbox import Mailbox, Question

# A question whose connection breaks is asked again this often in a row, after a pause that doubles.
_BREAKS = 5
_PAUSE_S = 0.1
# Nobody asks more often, whatever an exchange says: that would be a load of its own.
_SHORTEST_S = 0.001


@dataclass(slots=True)
class Outgoing:
    """One request: where to, with what, and under which id.

    `headers` are whole lines; give the same object with every request, it is looked at once. With an `exchange` the
    body is its payload, and it says where that goes; `renewed` returns it with what expires made again. `part` is what
    the request is a part of: a call of several requests, or the reading of an inbox. `certificates` are those that
    its server is trusted by, as PEM, besides those of this machine.
    """

    url: str
    body: bytes
    request_id: str
    headers: Sequence[str] = ()
    timeout_s: float = 60.0
    method: str = "POST"
    exchange: Exchange | None = None
    renewed: Callable[[], Exchange | None] | None = None
    part: Dialogue | Question | None = None
    certificates: str = ""


class Dialogue:
    """A call by an exchange, from its submission to its result. Times are those of `time.perf_counter()`.

    Args:
        call: What is called, by an exchange.
        intended_s: When it was due.
        sent_s: When it began.
        deadline_s: When its result comes too late.

    Attributes:
        request: What is sent next.
        headers: Lines that go with that beside its own: those of the endpoint, with the submission.
        accepted: Headers of the answer to the submission, which may name the call as its platform knows it.
        mailbox: Where its result arrives; None where it is asked for by itself.
        key: What it waits for there; None while that is not known.
        over: Whether it has its reply.
    """

    __slots__ = (
        "_breaks",
        "_renewed",
        "accepted",
        "accepted_s",
        "attempts",
        "bytes_out",
        "connected_s",
        "deadline_s",
        "exchange",
        "headers",
        "intended_s",
        "key",
        "mailbox",
        "over",
        "payload",
        "polls",
        "request",
        "request_id",
        "sent_s",
    )  # fmt: skip

    def __init__(self, call: Outgoing, *, intended_s: float, sent_s: float, deadline_s: float) -> None:
        assert call.exchange is not None
        self.exchange = call.exchange
        self.payload = call.body
        self.request_id = call.request_id
        self.headers = call.headers
        self.intended_s, self.sent_s, self.deadline_s = intended_s, sent_s, deadline_s
        self.accepted: Mapping[str, str] = {}
        self.mailbox: Mailbox | None = None
        self.key: str | None = None
        self.over = False
        self.request = HttpRequest(url="")
        self.connected_s: float | None = None
        self.accepted_s: float | None = None
        self.attempts = 1
        self.polls = 0
        self.bytes_out = 0
        self._breaks = 0
        self._renewed = call.renewed

    def inbox(self) -> Inbox | None:
        """Return where results arrive, with credentials as they are now."""
        renewed = self._renewed() if self._renewed is not None else None
        return (renewed or self.exchange).inbox()

    def begin(self) -> str | None:
        """Make the submission the request that is sent next; return what went wrong, None if nothing did."""
        try:
            self.request = self.exchange.submit(self.payload, self.request_id)
            self.bytes_out = len(self.request.body)
        except Exception as exc:  # noqa: BLE001  # a plugin's: its fault is a failed call
            return fault(self.exchange, "submit", exc)
        return None

    def take(self, status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Done | Arrives | float | str:
        """Take an answer: return the result, where it arrives, the seconds until `request` is sent, or a fault."""
        self._breaks = 0
        is_first = self.accepted_s is None
        if not is_first:
            self.polls += 1
        answer = HttpAnswer(
            request=self.request,
            request_id=self.request_id,
            status=status,
            headers=headers,
            body=body,
            polls=self.polls,
        )
        if is_first and status >= 400:
            return self._refused(answer)
        if is_first:
            self.accepted_s, self.accepted, self.headers = now_s, headers, ()
        try:
            said = self.exchange.poll(answer)
            if isinstance(said, (Done, Arrives)):
                if is_first and isinstance(said, Done):
                    self.accepted_s = None
                return said
            if not isinstance(said, Ask):
                return f"{type(self.exchange).__name__}.poll() returned {type(said).__name__}, not Ask, Arrives or Done"
            self.request = said.request
            return max(_SHORTEST_S, float(said.after_s))
        except Exception as exc:  # noqa: BLE001  # a plugin's, about what a server said: a failed call
            return fault(self.exchange, "poll", exc)

    def _refused(self, answer: HttpAnswer) -> Done | str:
        try:
            said = self.exchange.refused(answer)
        except Exception as exc:  # noqa: BLE001  # as above
            return fault(self.exchange, "refused", exc)
        return said if isinstance(said, Done) else f"{type(self.exchange).__name__}.refused() returned no Done"

    def broken(self) -> float | None:
        """Take that the connection of a question broke; return the seconds after which it is asked again.

        None where it is not: a submission may have been received.
        """
        if self.accepted_s is None or self._breaks >= _BREAKS:
            return None
        self._breaks += 1
        return _PAUSE_S * 2.0 ** (self._breaks - 1)

    def complete(self, reply: Reply, offset_s: float) -> None:
        """Write into a reply what is of the whole call rather than of its last request.

        Args:
            reply: The reply to the last request.
            offset_s: What is added to `time.perf_counter()`.
        """
        self.over = True
        reply.connected_s = None if self.connected_s is None else self.connected_s + offset_s
        reply.accepted_s = None if self.accepted_s is None else self.accepted_s + offset_s
        reply.attempts = self.attempts
        reply.polls = self.polls
        reply.bytes_out = self.bytes_out


def fault(of: object, method: str, exc: Exception) -> str:
    """Return in words that a method of a plugin's failed."""
    return f"{type(of).__name__}.{method}() failed: {type(exc).__name__}: {exc}"
