"""Calls whose results arrive in one queue that all of them share, against a real server."""

from __future__ import annotations

import json
import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from sebsx.contracts.schedules import Arrivals, Closed, Open, Schedule, Users, constant
from sebsx.contracts.senders import Arrives, Delivery, Done, Endpoint, Exchange, HttpAnswer, HttpRequest, Inbox, Work
from sebsx.model import Reply
from sebsx.sending import client as sending_client
from sebsx.sending.client import HttpClient

DIGEST, TAKES_S, HELD_S = "0" * 64, 0.2, 1.0


class Queue:
    """Messages that one question at a time is handed, until they are acknowledged."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str]] = []
        self.changed = threading.Condition()
        self.acknowledged: Counter[str] = Counter()
        self.submissions: list[str | None] = []
        self.questions: list[str] = []
        self.open = self.most_open = 0
        self.refusals = 0
        self.hang_ups = 0

    def put(self, key: str, after_s: float) -> None:
        with self.changed:
            self.messages.append((time.monotonic() + after_s, key))
            self.changed.notify_all()

    def take(self, most: int) -> list[str]:
        ends_s = time.monotonic() + HELD_S
        with self.changed:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                while (now_s := time.monotonic()) < ends_s:
                    ripe = [each for each in self.messages if each[0] <= now_s][:most]
                    if ripe:
                        self.messages = [each for each in self.messages if each not in ripe]
                        return [key for _, key in ripe]
                    next_s = min((each[0] for each in self.messages), default=ends_s)
                    self.changed.wait(max(0.001, min(ends_s, next_s) - now_s))
            finally:
                self.open -= 1
        return []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    queue: ClassVar[Queue]

    def do_POST(self) -> None:
        body, queue = self.rfile.read(int(self.headers["Content-Length"])), self.queue
        if self.path == "/submit":
            queue.submissions.append(self.headers["Authorization"])
            key = f"k-{self.headers['X-Sebsx-Request-Id']}"
            if body != b"never":
                queue.put(key, 0.0 if body == b"early" else TAKES_S)
            if body == b"early":
                time.sleep(TAKES_S)  # the result is there before the call is known to be accepted
            self._say(202, b"", key)
        elif self.path == "/acknowledge":
            queue.acknowledged.update(json.loads(body))
            self._say(200, b"")
        elif queue.refusals:
            queue.refusals -= 1
            self._say(403, b"who are you")
        elif queue.hang_ups:
            queue.hang_ups -= 1
            self.close_connection = True
        else:
            queue.questions.append(body.decode())
            self._say(200, json.dumps(queue.take(10)).encode())

    def _say(self, status: int, body: bytes, key: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Key", key)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@dataclass(frozen=True)
class Shared(Inbox):
    """The inbox of that server."""

    questions = 2
    url: str
    secret: str = field(default="old", compare=False)

    def ask(self) -> HttpRequest:
        return HttpRequest(url=f"{self.url}/receive", body=self.secret.encode())

    def read(self, answer: HttpAnswer) -> Delivery:
        keys = json.loads(answer.body)
        told = HttpRequest(url=f"{self.url}/acknowledge", body=json.dumps(keys).encode()) if keys else None
        results = {key: Done(body=key.encode(), headers={"x-key": key}) for key in keys}
        return Delivery(results=results, acknowledgement=told)


@dataclass(frozen=True)
class Queued(Exchange):
    url: str
    shared: Shared

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        return HttpRequest(url=f"{self.url}/submit", body=payload)

    def inbox(self) -> Inbox:
        return self.shared

    def poll(self, answer: HttpAnswer) -> Arrives:
        return Arrives(key=answer.headers["x-key"])


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_args: object) -> None:
        """A client that gives up is part of the tests."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def queue() -> Queue:
    Handler.queue = Queue()
    return Handler.queue


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


def endpoint_at(url: str, timeout_s: float = 5.0, **more: Any) -> Endpoint:
    headers = {"Authorization": "old"}
    return Endpoint(
        url="", payload=DIGEST, timeout_s=timeout_s, headers=headers, exchange=Queued(url, Shared(url)), **more
    )


def sent(client: HttpClient, endpoint: Endpoint, schedule: Schedule, body: bytes = b"{}", **more: Any) -> list[Reply]:
    work = Work(schedule=schedule, endpoints=(endpoint,), name=f"w{time.monotonic_ns()}")
    assert pickle.loads(pickle.dumps(work)) == work  # of our own making
    return [reply for _, reply in sorted(client.send(work, {DIGEST: body}, **more), key=lambda pair: pair[0])]


def own(replies: list[Reply]) -> bool:
    """Tell whether each call has the result that is its own."""
    return all(reply.body.decode() == f"k-{reply.request_id}" for reply in replies)


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule",
    [Arrivals([0.0] * 8), Closed(6, users=3), Users(3, duration_s=0.7), Open(constant(30, 0.7))],
    ids=["burst", "closed", "users", "open"],
)
def test_each_call_has_its_own_result(client: HttpClient, url: str, queue: Queue, schedule: Schedule) -> None:
    replies = sent(client, endpoint_at(url), schedule)
    assert len(replies) >= 6
    assert own(replies)
    for reply in replies:
        assert (reply.http_status, reply.error, reply.attempts) == (200, None, 1)
        assert reply.accepted_s is not None
        assert reply.first_byte_s is not None
        assert reply.sent_s < reply.accepted_s < reply.first_byte_s <= reply.done_s
        assert TAKES_S <= reply.done_s - reply.sent_s < TAKES_S + 1.0
        assert reply.polls >= 1
    assert queue.most_open <= Shared.questions


def test_burst_is_in_flight_all_at_once(client: HttpClient, url: str, queue: Queue) -> None:
    replies = sent(client, endpoint_at(url), Arrivals([0.0] * 8))
    assert client.in_flight_max == 8
    assert max(reply.sent_s for reply in replies) < min(reply.done_s for reply in replies)


@pytest.mark.slow
def test_results_are_acknowledged_and_what_belongs_to_nobody_is_dropped(
    client: HttpClient, url: str, queue: Queue
) -> None:
    queue.put("of another client", 0.0)
    replies = sent(client, endpoint_at(url), Closed(3))
    assert own(replies)
    sent(client, endpoint_at(url), Closed(1))
    for reply in replies:
        assert queue.acknowledged[reply.body.decode()] == 1
    assert queue.acknowledged["of another client"] == 1


@pytest.mark.slow
def test_result_that_comes_before_its_call_is_accepted_is_kept(client: HttpClient, url: str, queue: Queue) -> None:
    # The first call keeps a question open, which takes the result of the second before that is accepted.
    first = replace(endpoint_at(url), payload="1" * 64)
    work = Work(schedule=Arrivals([0.0, 0.05]), endpoints=(first, endpoint_at(url)), name="both")
    replies = [reply for _, reply in client.send(work, {"1" * 64: b"slow", DIGEST: b"early"})]
    assert own(replies)
    assert [reply.error for reply in replies] == [None, None]


@pytest.mark.slow
def test_call_whose_result_never_comes_times_out_and_the_others_do_not(
    client: HttpClient, url: str, queue: Queue
) -> None:
    lost = replace(endpoint_at(url, timeout_s=0.6), payload="1" * 64)
    work = Work(schedule=Arrivals([0.0] * 6), endpoints=(lost, endpoint_at(url)), name="some")
    replies = dict(client.send(work, {"1" * 64: b"never", DIGEST: b"{}"}))
    assert [replies[number].error for number in range(6)] == ["timeout", None] * 3
    assert replies[0].headers["x-key"] == "k-some-0", "the platform's own name of a call is known from its acceptance"
    # The question that was left open takes the results of the next batch: they are not lost.
    began_s = time.monotonic()
    assert own(sent(client, endpoint_at(url), Closed(2)))
    assert time.monotonic() - began_s < 2.0


@pytest.mark.parametrize("trouble", ["refusals", "hang_ups"])
def test_inbox_in_trouble_is_asked_again(client: HttpClient, url: str, queue: Queue, trouble: str) -> None:
    setattr(queue, trouble, 2)
    assert own(sent(client, endpoint_at(url), Arrivals([0.0] * 3)))


@pytest.mark.slow
def test_inbox_that_refuses_for_good_is_the_answer_of_every_call(client: HttpClient, url: str, queue: Queue) -> None:
    queue.refusals = 10**6
    replies = sent(client, endpoint_at(url, timeout_s=30.0), Arrivals([0.0] * 3))
    assert [(reply.http_status, reply.body) for reply in replies] == [(403, b"who are you")] * 3


@dataclass(frozen=True)
class Wrong(Shared):
    """An inbox with a fault."""

    fault: str = ""

    def ask(self) -> HttpRequest:
        if self.fault == "ask":
            raise KeyError("ask")
        return HttpRequest(url="nowhere", body=b"") if self.fault == "place" else super().ask()

    def read(self, answer: HttpAnswer) -> Any:
        return [] if self.fault == "read" else super().read(answer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("ask", "Wrong.ask() failed: KeyError"),
        ("read", "Wrong.read() failed: TypeError: it returned list, not a Delivery"),
        ("place", "the inbox cannot be asked"),
    ],
)
def test_inbox_with_a_fault_makes_failed_calls(
    client: HttpClient, url: str, queue: Queue, fault: str, said: str
) -> None:
    faulty = replace(endpoint_at(url, timeout_s=20.0), exchange=Queued(url, Wrong(url, fault=fault)))
    replies = sent(client, faulty, Arrivals([0.0] * 2))
    assert [said in (reply.error or "") for reply in replies] == [True, True]
    # The client goes on; a question of the faulty inbox that is still open may take one result with it.
    assert any(own(sent(client, endpoint_at(url), Closed(1))) for _ in range(3))


@pytest.mark.slow
def test_exchange_without_an_inbox_has_no_place_for_results(client: HttpClient, url: str, queue: Queue) -> None:
    class Nowhere(Queued):
        def inbox(self) -> None:  # type: ignore[override]
            return None

    endpoint = replace(endpoint_at(url), exchange=Nowhere(url, Shared(url)))
    work = Work(schedule=Closed(1), endpoints=(endpoint,), name="n")
    ((_, reply),) = client.send(work, {DIGEST: b"{}"})
    assert reply.error == "Nowhere has no inbox where a result could arrive"


@pytest.mark.slow
def test_submissions_and_questions_carry_credentials_that_were_renewed(
    client: HttpClient, url: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_client, "_RENEWED_S", 0.25)

    def renew(_place: int) -> Endpoint:
        return replace(endpoint_at(url), headers={"Authorization": "new"}, exchange=Queued(url, Shared(url, "new")))

    assert own(sent(client, endpoint_at(url), Open(constant(20, 0.8)), renew=renew))
    assert set(queue.submissions) == {"old", "new"}
    assert queue.questions[0] == "old"
    assert queue.questions[-1] == "new"
