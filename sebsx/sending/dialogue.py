"""One call of several requests: what was submitted, what is asked next, and the times of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.contracts.senders import Ask, Done, HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.senders import Exchange
    from sebsx.model import Reply

# A question whose connection breaks is asked again this often in a row, after a pause that doubles.
_BREAKS = 5
_PAUSE_S = 0.1
# Nobody asks more often, whatever an exchange says: that would be a load of its own.
_SHORTEST_S = 0.001


@dataclass(slots=True)
class Outgoing:
    """One request: where to, with what, and under which id.

    `headers` are whole lines; give the same object with every request, it is looked at once. With an `exchange` the
    body is its payload, and it says where that goes. `dialogue` is the call that the request is a part of.
    """

    url: str
    body: bytes
    request_id: str
    headers: Sequence[str] = ()
    timeout_s: float = 60.0
    method: str = "POST"
    exchange: Exchange | None = None
    dialogue: Dialogue | None = None


class Dialogue:
    """A call by an exchange, from its submission to its result. Times are those of `time.perf_counter()`.

    Args:
        exchange: What says how.
        payload: The body of the call.
        request_id: Its id.
        intended_s: When it was due.
        sent_s: When it began.
        deadline_s: When its result comes too late.
    """

    __slots__ = (
        "_breaks",
        "accepted_s",
        "attempts",
        "bytes_out",
        "connected_s",
        "deadline_s",
        "exchange",
        "intended_s",
        "payload",
        "polls",
        "request",
        "request_id",
        "sent_s",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        payload: bytes,
        request_id: str,
        *,
        intended_s: float,
        sent_s: float,
        deadline_s: float,
    ) -> None:
        self.exchange = exchange
        self.payload = payload
        self.request_id = request_id
        self.intended_s, self.sent_s, self.deadline_s = intended_s, sent_s, deadline_s
        self.request = HttpRequest(url="")
        self.connected_s: float | None = None
        self.accepted_s: float | None = None
        self.attempts = 1
        self.polls = 0
        self.bytes_out = 0
        self._breaks = 0

    def begin(self) -> str | None:
        """Make the submission the request that is sent next; return what went wrong, None if nothing did."""
        try:
            self.request = self.exchange.submit(self.payload, self.request_id)
            self.bytes_out = len(self.request.body)
        except Exception as exc:  # noqa: BLE001  # a plugin's: its fault is a failed call
            return _fault(self.exchange, "submit", exc)
        return None

    def take(self, status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Done | float | str:
        """Take an answer: return the result, the seconds until `request` is to be sent, or what went wrong."""
        self._breaks = 0
        if self.accepted_s is None:
            if status >= 400:
                return Done(status=status, headers=headers, body=body)
            self.accepted_s = now_s
        else:
            self.polls += 1
        answer = HttpAnswer(
            request=self.request,
            request_id=self.request_id,
            status=status,
            headers=headers,
            body=body,
            polls=self.polls,
        )
        try:
            said = self.exchange.poll(answer)
            if isinstance(said, Done):
                return said
            if not isinstance(said, Ask):
                return f"{type(self.exchange).__name__}.poll() returned {type(said).__name__}, neither Ask nor Done"
            self.request = said.request
            return max(_SHORTEST_S, float(said.after_s))
        except Exception as exc:  # noqa: BLE001  # a plugin's, about what a server said: a failed call
            return _fault(self.exchange, "poll", exc)

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
        reply.connected_s = None if self.connected_s is None else self.connected_s + offset_s
        reply.accepted_s = None if self.accepted_s is None else self.accepted_s + offset_s
        reply.attempts = self.attempts
        reply.polls = self.polls
        reply.bytes_out = self.bytes_out


def _fault(exchange: Exchange, method: str, exc: Exception) -> str:
    return f"{type(exchange).__name__}.{method}() failed: {type(exc).__name__}: {exc}"
