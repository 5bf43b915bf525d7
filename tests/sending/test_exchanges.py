"""Calls of several requests against a real server: 202 and polling through bursts, closed and open loops."""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from sebsx.contracts.exchanges import LocationExchange
from sebsx.contracts.schedules import Arrivals, Closed, Open, Schedule, constant
from sebsx.contracts.senders import Ask, Done, Endpoint, Exchange, HttpAnswer, HttpRequest, Work
from sebsx.model import DROPPED, Reply
from sebsx.sending.client import HttpClient

DIGEST, TAKES_S = "0" * 64, 0.3


class Later(BaseHTTPRequestHandler):
    """Accepts what is posted; its result is there `TAKES_S` later. What is posted says what goes wrong."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    accepted: ClassVar[dict[str, float]] = {}
    words: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[Counter[str]] = Counter()
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = f"/results/{self.headers['X-Sebsx-Request-Id']}"
        self.accepted[place], self.words[place] = time.monotonic(), body
        self.seen.append((self.path, self.headers["Authorization"]))
        if body == b"refused":
            self._say(429, b"busy")
        elif body == b"silent":
            self.close_connection = True
        elif body == b"nowhere":
            self._say(202, b"", "http://a..b/")
        else:
            self._say(202, b"", place)

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        self.seen.append((self.path, self.headers["Authorization"]))
        if self.words[self.path] == b"breaks" and self.asked[self.path] == 1:
            self.close_connection = True
        elif self.words[self.path] == b"never" or time.monotonic() - self.accepted[self.path] < TAKES_S:
            self._say(202, b"", self.path)
        else:
            self._say(200, b'{"late": true}')

    def _say(self, status: int, body: bytes, place: str = "") -> None:
        self.send_response(status)
        if place:
            self.send_header("Location", place)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_args: object) -> None:
        """A client that gives up is part of the tests."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Later) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/submit"
        server.shutdown()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


@pytest.fixture(autouse=True)
def forgotten() -> None:
    Later.asked.clear()
    Later.seen.clear()


def sent(
    client: HttpClient, exchange: Exchange, schedule: Schedule, body: bytes = b"{}", timeout_s: float = 5.0, **more: Any
) -> list[Reply]:
    endpoint = Endpoint(url="", payload=DIGEST, timeout_s=timeout_s, exchange=exchange)
    work = Work(schedule=schedule, endpoints=(endpoint,), name=f"w{time.monotonic_ns()}", **more)
    assert pickle.loads(pickle.dumps(work)) == work  # of our own making
    return [reply for _, reply in sorted(client.send(work, {DIGEST: body}), key=lambda pair: pair[0])]


def polled(url: str) -> LocationExchange:
    return LocationExchange(url=url, every_s=0.05)


@pytest.mark.slow
def test_times_of_a_call_that_is_answered_later(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, polled(server), Closed(1))
    assert (reply.http_status, reply.body, reply.error) == (200, b'{"late": true}', None)
    assert reply.connected_s is not None
    assert reply.accepted_s is not None
    assert reply.first_byte_s is not None
    assert (
        reply.intended_s <= reply.sent_s <= reply.connected_s <= reply.accepted_s < reply.first_byte_s <= reply.done_s
    )
    assert reply.accepted_s - reply.sent_s < TAKES_S
    assert reply.done_s - reply.sent_s >= TAKES_S
    assert 2 <= reply.polls <= 7
    assert (reply.attempts, reply.bytes_out) == (1, 2)


@pytest.mark.slow
def test_burst_is_in_flight_all_at_once(client: HttpClient, server: str) -> None:
    replies = sent(client, polled(server), Arrivals([0.0] * 10))
    assert [reply.http_status for reply in replies] == [200] * 10
    assert max(reply.sent_s for reply in replies) < min(reply.done_s for reply in replies)
    assert client.in_flight_max == 10


@pytest.mark.slow
def test_closed_loop_waits_for_results_and_not_for_acceptance(client: HttpClient, server: str) -> None:
    replies = sent(client, polled(server), Closed(4, users=2))
    events = sorted([(reply.sent_s, 1) for reply in replies] + [(reply.done_s, -1) for reply in replies])
    in_flight = most = 0
    for _, change in events:
        in_flight += change
        most = max(most, in_flight)
    assert most == 2


@pytest.mark.slow
def test_open_loop_sends_while_results_are_awaited(client: HttpClient, server: str) -> None:
    replies = sent(client, polled(server), Open(constant(20, 0.5)))
    assert len(replies) == 10
    start_s = replies[0].intended_s
    assert [reply.intended_s - start_s for reply in replies] == pytest.approx([0.05 * n for n in range(10)], abs=1e-5)
    assert replies[3].sent_s < replies[0].done_s


@pytest.mark.slow
def test_cap_counts_calls_whose_results_are_awaited(client: HttpClient, server: str) -> None:
    replies = sent(client, polled(server), Arrivals([0.0, 0.0, 0.1]), max_in_flight=2)
    assert [reply.error for reply in replies] == [None, None, DROPPED]


def test_refused_submission_is_the_answer(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, polled(server), Closed(1), b"refused")
    assert (reply.http_status, reply.body, reply.accepted_s, reply.polls) == (429, b"busy", None, 0)


def test_submission_that_may_have_been_received_is_not_repeated(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, polled(server), Closed(1), b"silent")
    assert reply.http_status is None
    assert reply.accepted_s is None
    assert [path for path, _ in Later.seen] == ["/submit"]


@pytest.mark.slow
def test_question_whose_connection_breaks_is_asked_again(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, polled(server), Closed(1), b"breaks")
    assert (reply.http_status, reply.attempts) == (200, 1)


@pytest.mark.slow
def test_result_that_never_comes_is_a_time_out(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, polled(server), Closed(1), b"never", timeout_s=0.4)
    assert (reply.http_status, reply.error) == (None, "timeout")
    assert reply.accepted_s is not None
    assert reply.polls > 2


def test_place_that_cannot_be_asked_at_is_a_failed_call(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, polled(server), Closed(1), b"nowhere")
    assert reply.error is not None
    assert "cannot be a name" in reply.error


@pytest.mark.slow
def test_credentials_go_to_the_server_they_are_for(client: HttpClient, server: str) -> None:
    exchange = LocationExchange(url=server, headers={"Authorization": "secret"}, every_s=0.05)
    sent(client, exchange, Closed(1))
    assert {word for _, word in Later.seen} == {"secret"}
    answer = HttpAnswer(
        request=exchange.submit(b"", ""),
        request_id="",
        status=202,
        headers={"location": "https://elsewhere.example/x", "retry-after": "3"},
        body=b"",
        polls=0,
    )
    said = LocationExchange(url=server, headers={"Authorization": "secret"}).poll(answer)
    assert said == Ask(request=HttpRequest(url="https://elsewhere.example/x", method="GET"), after_s=3.0)


@dataclass(frozen=True)
class Wrong(Exchange):
    """An exchange with a fault."""

    url: str
    fault: str

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        if self.fault == "submit":
            raise KeyError("no such thing")
        return HttpRequest(url="nonsense" if self.fault == "url" else self.url, body=payload)

    def poll(self, answer: HttpAnswer) -> Ask | Done:
        if self.fault == "poll":
            raise ValueError("not JSON")
        return None  # type: ignore[return-value]  # the fault


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("submit", "Wrong.submit() failed: KeyError"),
        ("url", "cannot be sent requests"),
        ("poll", "Wrong.poll() failed: ValueError: not JSON"),
        ("nothing", "Wrong.poll() returned NoneType"),
    ],
)
def test_exchange_with_a_fault_makes_failed_calls_and_the_rest_goes_on(
    client: HttpClient, server: str, fault: str, told: str
) -> None:
    replies = sent(client, Wrong(server, fault), Closed(2))
    assert [reply.http_status for reply in replies] == [None, None]
    assert all(told in (reply.error or "") for reply in replies)


@dataclass(frozen=True, slots=True)
class Immediate(Exchange):
    """Answered at once, by whatever status; a refusal may hold a result."""

    url: str

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        return HttpRequest(url=self.url, body=payload)

    def poll(self, answer: HttpAnswer) -> Done:
        return Done(body=b"polled", status=answer.status)

    def refused(self, answer: HttpAnswer) -> Done:
        return Done(body=b"read " + answer.body, status=answer.status, headers={"x-outcome": "failed"})


def test_refusal_is_read_by_the_exchange(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, Immediate(server), Closed(1), b"refused")
    assert (reply.http_status, reply.body, reply.headers) == (429, b"read busy", {"x-outcome": "failed"})
    assert (reply.accepted_s, reply.polls) == (None, 0)


def test_call_that_is_over_with_its_first_answer_was_never_accepted(client: HttpClient, server: str) -> None:
    (reply,) = sent(client, Immediate(server), Closed(1))
    assert (reply.body, reply.accepted_s, reply.polls) == (b"polled", None, 0)
