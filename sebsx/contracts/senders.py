"""The contract of a sender: who sends calls when they are due, and how a call is made that is not one HTTP request.

Work is plain data that can be pickled, so that a sender may be the engine of this process (`sebsx.sending`), another
process, or another machine. Bodies do not travel with it: an endpoint names its payload by digest.

A platform whose functions are not called by one HTTP request returns an `Exchange` from `Platform.exchange`: the
request that submits a call, and what to ask next after each answer. Where results arrive in a place that calls share,
such as a queue, the exchange names it: an `Inbox`. The engine sends all of it, so that bursts, closed and open loops
work as they do elsewhere, and are timed at the same points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sebsx.contracts.schedules import Schedule
    from sebsx.model import Reply

EVERY_S = 0.1
"""A common time between two questions for a result: the end of a call is known no better than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request of an exchange, as plain data.

    Args:
        url: Where to, `http` or `https`.
        method: HTTP method.
        headers: By name; they come instead of the usual ones of the same name.
        body: What is sent; empty for none.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """One answer of an exchange.

    Args:
        request: What it answers.
        request_id: The id under which the call was submitted.
        status: HTTP status.
        headers: By lower-case name.
        body: As it came; not checked, not bounded below what the engine takes in.
        polls: How often the result was asked for so far; 0 for the answer to the submission.
    """

    request: HttpRequest
    request_id: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The call is not over: ask this, after so many seconds.

    A question must be safe to ask twice: one whose connection breaks is asked again.
    """

    request: HttpRequest
    after_s: float = EVERY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The call is over. `Platform.status_of` reads this status as it reads that of an answer.

    Args:
        body: What the function answered: the envelope of a package of ours.
        status: HTTP status.
        headers: By lower-case name.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrives:
    """The call is not over: its result arrives in the inbox of the exchange, under this key."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an inbox handed out.

    Args:
        results: Results by their keys. One that no call waits for is dropped: its call was given up.
        acknowledgement: Tells the inbox that they were taken; None where it wants no word. Sent once, unheard.
        after_s: Seconds until the inbox is asked again, if calls wait.
    """

    results: Mapping[str, Done]
    acknowledgement: HttpRequest | None = None
    after_s: float = 0.0


class Inbox(ABC):
    """Where the results of many calls arrive, in any order: a queue. Plain data that can be pickled; no state.

    It is hashable, and equal to one that leads to the same place, such as one with newer credentials. Its methods take
    less than a millisecond, and do no I/O.

    Class attributes:
        questions: How many questions may be open at once. What a question finds is handed to nobody else, so that one
            is never abandoned while its server may still answer it.
    """

    questions: ClassVar[int] = 1

    @abstractmethod
    def ask(self) -> HttpRequest:
        """Return the question for what has arrived. The server may hold it until something does, at most 30 s."""

    @abstractmethod
    def read(self, answer: HttpAnswer) -> Delivery:
        """Return what an answer with a status below 400 holds.

        What it raises fails all calls that wait. A question that is refused, or whose connection breaks, is asked
        again; refused five times more, its answer is that of all calls that wait.
        """


class Exchange(ABC):
    """How one deployment is called where that takes several requests. Plain data that can be pickled; no state.

    Its methods are called while load is being sent: they take microseconds, and do no I/O.
    """

    @abstractmethod
    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        """Return the request that submits a call. It is sent once, unless it cannot have been received.

        The headers of the endpoint go with it, `Platform.signed` among them.
        """

    def inbox(self) -> Inbox | None:
        """Return where results arrive that `Arrives` tells of; None where each is asked for by itself."""
        return None

    @abstractmethod
    def poll(self, answer: HttpAnswer) -> Ask | Arrives | Done:
        """Return what an answer means: the call is over, what to ask next, or that its result arrives in the inbox.

        Called with the answer to the submission, if its status is below 400 (else `refused` is), and with that to each
        question. A call that is over with the answer to the submission was never accepted (`Reply.accepted_s`): it is
        one request. What it raises makes this invocation
        a failed one, and goes into its error.
        """

    def refused(self, answer: HttpAnswer) -> Done:
        """Return what an answer to the submission means whose status is 400 or above; by default what it says.

        Override it where such a status does not say that the function was not called: OpenWhisk answers 502 when it
        failed.
        """
        return Done(status=answer.status, headers=answer.headers, body=answer.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is called.

    Args:
        url: Where to; empty where only `exchange` says it. Of an exchange it names the server.
        payload: SHA-256 of the body, in hexadecimal digits.
        method: HTTP method.
        headers: Sent with every call, by name; of an exchange with its submission.
        timeout_s: How long an answer is waited for, from the start of the call on.
        exchange: How it is called where one HTTP request is not all; None where it is.
        certificates: Whom the server of `url` is trusted by besides whom this machine trusts, as PEM; empty for nobody.
    """

    url: str
    payload: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    exchange: Exchange | None = None
    certificates: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a sender does: calls, and when each is due.

    Args:
        schedule: When calls are due, from the start of the work on.
        endpoints: Call number i goes to `endpoints[i % len(endpoints)]`.
        name: Makes the ids of the calls, `NAME-NUMBER`; no two pieces of work share one.
        max_in_flight: A call that is due while so many are in flight is dropped; None for no cap.
    """

    schedule: Schedule
    endpoints: tuple[Endpoint, ...]
    name: str
    max_in_flight: int | None = None


class Sender(ABC):
    """Sends work and yields what came back. Used from one thread; one piece of work at a time.

    Attributes:
        spun_s: Time spent awake and waiting for a call to become due, since the sender was made.
        in_flight_max: Most calls in flight at once in the last piece of work.
    """

    spun_s: float
    in_flight_max: int

    @abstractmethod
    def send(
        self,
        work: Work,
        payloads: Mapping[str, bytes],
        *,
        renew: Callable[[int], Endpoint] | None = None,
        idle: Callable[[float], bool] | None = None,
    ) -> Iterator[tuple[int, Reply]]:
        """Send work, and yield the number of each call with its reply as they come.

        Every call gives exactly one reply: one that could not be sent or answered carries an `error`. A call is never
        sent twice unless it cannot have been received. Closing the iterator abandons what is in flight.

        Args:
            work: What is sent.
            payloads: Bodies by their SHA-256.
            renew: Returns an endpoint by its place in `endpoints` with fresh headers and a fresh exchange: asked once a
                minute at most, while work goes on. None where they last as long as the work.
            idle: Called with the seconds until something is due, while no answer is there to be read. Returns whether
                it did something; it should then take no more than tens of microseconds.
        """

    @abstractmethod
    def way_to(self, url: str) -> Mapping[str, str]:
        """Return the facts about the way to a URL, as far as it was used: `address`, `proxy`, `fallback`."""

    def close(self) -> None:  # noqa: B027  # most senders in other processes have nothing to close
        """Close connections. A second call is harmless."""
