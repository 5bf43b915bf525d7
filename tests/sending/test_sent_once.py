"""No call is sent twice that may have been received, and nothing that a server does ends a drive."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sebsx.contracts.schedules import Arrivals, Closed, Schedule
from sebsx.model import Reply
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.sending.connection import Connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
ALL = 10**9


@dataclass(frozen=True)
class Step:
    """What a server does with one request: read so much of it, answer with so much, and then go on or not."""

    read: int = ALL
    answer: bytes = OK
    then: str = "keep"  # or close, reset
    wait_s: float = 0.0


class Unruly:
    """A server that follows steps, connection by connection, and counts the requests that it received whole."""

    def __init__(self, *connections: list[Step]) -> None:
        self.received: Counter[bytes] = Counter()
        self._connections = connections
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        for steps in self._connections:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection, steps)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, steps: list[Step]) -> None:
        with connection, contextlib.suppress(OSError):
            for step in steps:
                if not self._read(connection, step.read):
                    return
                time.sleep(step.wait_s)
                connection.sendall(step.answer)
                if step.then == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if step.then != "keep":
                    return
            connection.recv(1)

    def _read(self, connection: socket.socket, count: int) -> bool:
        data = b""
        while len(data) < count:
            piece = connection.recv(min(65536, count - len(data)))
            if not piece:
                return False
            data += piece
            head, found, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            if found and length is not None and len(body) >= int(length[1]):
                request_id = re.search(rb"X-Sebsx-Request-Id: (\S+)", head)
                assert request_id is not None
                self.received[request_id[1]] += 1
                break
        return True


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


def drive(client: HttpClient, url: str, schedule: Schedule, body: bytes = b"{}", timeout_s: float = 5) -> list[Reply]:
    return list(client.drive(schedule, lambda number: Outgoing(url, body, f"id-{number}", timeout_s=timeout_s)))


def held(server: Unruly, replies: list[Reply], calls: int) -> None:
    """Assert what holds whatever a server does."""
    assert sorted(reply.request_id for reply in replies) == sorted(f"id-{number}" for number in range(calls))
    assert all((reply.http_status is None) == (reply.error is not None) for reply in replies)
    assert all(count == 1 for count in server.received.values()), "a call was received twice"
    assert all(reply.intended_s <= reply.sent_s <= reply.done_s for reply in replies)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["close", "reset"])
def test_call_that_ran_and_died_is_a_failure_and_ran_once(client: HttpClient, then: str) -> None:
    dies = [Step(), Step(answer=b"", then=then, wait_s=0.05)]
    with Unruly(*[dies] * 6) as server:
        replies = drive(client, server.url, Closed(10))
    held(server, replies, 10)
    assert sum(server.received.values()) == 10
    assert [reply.http_status for reply in replies] == [200, None] * 5
    assert {reply.attempts for reply in replies} == {1}


@pytest.mark.parametrize("then", ["close", "reset"])
def test_burst_on_connections_that_die_runs_each_call_once(client: HttpClient, then: str) -> None:
    dies = [Step(), Step(answer=b"", then=then)]
    with Unruly(*[dies] * 5) as server:
        first = drive(client, server.url, Arrivals([0.0] * 5))
        second = drive(client, server.url, Arrivals([0.0] * 5))
    assert [reply.http_status for reply in first] == [200] * 5
    assert [reply.http_status for reply in second] == [None] * 5
    assert sorted(server.received.values()) == [2] * 5  # the same ids, once in each burst


@pytest.mark.parametrize("then", ["close", "reset"])
def test_connection_that_ended_while_idle_is_not_used(client: HttpClient, then: str) -> None:
    with Unruly([Step(then=then)], [Step()]) as server:
        (first,) = drive(client, server.url, Closed(1))
        time.sleep(0.05)
        (second,) = drive(client, server.url, Closed(1))
    assert [first.http_status, second.http_status] == [200, 200]
    assert second.attempts == 1
    assert second.connected_s is not None
    assert second.connected_s > second.sent_s


def test_call_that_cannot_have_been_received_is_sent_again_and_counted(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reset comes between the look at the connection and the first byte: a moment that no test can hit.
    monkeypatch.setattr(Connection, "gone", lambda _self: False)
    with Unruly([Step(then="reset")], [Step()]) as server:
        drive(client, server.url, Closed(1))
        time.sleep(0.05)
        (reply,) = drive(client, server.url, Closed(1))
    assert (reply.http_status, reply.attempts) == (200, 2)
    assert server.received[b"id-0"] == 2  # one of each drive


def test_words_that_nobody_asked_for_are_no_answer(client: HttpClient) -> None:
    with Unruly([Step(answer=OK + OK)], [Step()]) as server:
        (first,) = drive(client, server.url, Closed(1))
        time.sleep(0.02)
        (second,) = drive(client, server.url, Closed(1))
    assert (first.http_status, first.body) == (200, b"hi")
    assert second.connected_s is not None
    assert second.connected_s > second.sent_s


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("before", [0, 1])
def test_end_at_every_byte_of_a_request(client: HttpClient, then: str, before: int) -> None:
    size = 150  # of the request, about; a second one of which nothing arrived goes over another connection
    connections = [[Step()] * before + [Step(read=count, answer=b"", then=then)] for count in range(before, size)]
    with Unruly(*connections) as server:
        for _ in connections:
            replies = drive(client, server.url, Closed(before + 1))
            held(server, replies, before + 1)
            assert [reply.http_status for reply in replies] == [200] * before + [None]
            server.received.clear()


@pytest.mark.parametrize("then", ["close", "reset"])
def test_end_at_every_byte_of_an_answer(client: HttpClient, then: str) -> None:
    connections = [[Step(), Step(answer=OK[:count], then=then)] for count in range(len(OK))]
    with Unruly(*connections) as server:
        for _ in connections:
            replies = drive(client, server.url, Closed(2))
            held(server, replies, 2)
            assert [reply.http_status for reply in replies] == [200, None]
            server.received.clear()


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("read", [1, 1000, 65_536, 1_000_000, 2_999_000])
def test_end_in_the_middle_of_a_large_request(client: HttpClient, then: str, read: int) -> None:
    body = b"x" * 3_000_000
    with Unruly(*[[Step(), Step(read=read, answer=b"", then=then)]] * 3) as server:
        replies = drive(client, server.url, Closed(6), body)
        held(server, replies, 6)
    assert [reply.http_status for reply in replies] == [200, None] * 3


def test_answer_before_the_end_of_a_large_request_counts(client: HttpClient) -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
    with Unruly([Step(read=1000, answer=refusal, wait_s=0.05)], [Step()]) as server:
        replies = drive(client, server.url, Closed(1), b"x" * 8_000_000)
    assert [(reply.http_status, reply.body) for reply in replies] == [(413, b"no")]


def test_answer_without_end_costs_one_call(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sebsx.sending.transport.MOST_BYTES", 1_000_000)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000
    with Unruly([Step(answer=endless, then="close")]) as server:
        (reply,) = drive(client, server.url, Closed(1))
    assert reply.error == "the answer is longer than 1000000 bytes"


@pytest.mark.parametrize("head", [b"X: " + b"x" * 2_000_000, b"\r\nHTTP/1.1 100 Continue\r\n" * 80_000])
def test_headers_without_end_cost_one_call(client: HttpClient, head: bytes) -> None:
    with Unruly([Step(answer=b"HTTP/1.1 100 Continue\r\n" + head, then="close")]) as server:
        (reply,) = drive(client, server.url, Closed(1))
    assert reply.error == "the answer has more than 1048576 bytes of headers"


def test_answer_that_never_pauses_ends_at_its_timeout(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sebsx.sending.transport.RECEIVE_BYTES", 1)  # the server is then always faster
    busy = b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000
    with Unruly([Step(answer=busy)]) as server:
        (reply,) = drive(client, server.url, Closed(1), timeout_s=0.1)
    assert reply.error == "timeout"


PIECES = st.sampled_from([
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 101 Up\r\nUpgrade: x\r\n",
    b"Content-Length: 2\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"X: \xff\r\n", b"\r\n", b"hi", b"2\r\nhi\r\n",
    b"0\r\n\r\n", b"zz\r\n", b"\0", OK,
])  # fmt: skip
ANSWERS = st.lists(PIECES | st.binary(max_size=40), max_size=8).map(b"".join)
STEPS = st.builds(
    Step,
    read=st.sampled_from([0, 1, 40, ALL]),
    answer=ANSWERS | st.just(OK),
    then=st.sampled_from(["keep", "close", "reset"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(connections=st.lists(st.lists(STEPS, min_size=1, max_size=4), min_size=1, max_size=6), users=st.integers(1, 3))
def test_no_order_of_what_servers_do_ends_a_drive_or_sends_a_call_twice(
    connections: list[list[Step]], users: int
) -> None:
    with Unruly(*connections) as server, HttpClient() as client:
        replies = drive(client, server.url, Closed(6, users=users), timeout_s=0.05)
        held(server, replies, 6)
