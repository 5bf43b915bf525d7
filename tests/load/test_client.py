from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sebsx.interrupts import interrupts
from sebsx.load.client import HttpClient, Request
from sebsx.load.clock import client_clock
from sebsx.load.schedule import Arrivals, Closed
from sebsx.model import Reply


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


def send(client: HttpClient, url: str, bodies: list[bytes], users: int = 1, timeout_s: float = 10) -> list[Reply]:
    def request(number: int) -> Request:
        return Request(url, bodies[number], f"id-{number}", timeout_s=timeout_s)

    return list(client.drive(Closed(len(bodies), users), request))


def test_every_request_gets_its_own_reply(client: HttpClient, url: str) -> None:
    bodies = [f"body {number}".encode() for number in range(40)]
    replies = send(client, url, bodies, users=8)
    assert {reply.request_id: reply.body for reply in replies} == {f"id-{n}": body for n, body in enumerate(bodies)}
    assert all(reply.headers["x-request"] == reply.request_id for reply in replies)
    assert {reply.http_status for reply in replies} == {200}


def test_times_are_ordered_and_cover_the_servers_work(client: HttpClient, url: str) -> None:
    before = client_clock().now()
    (reply,) = send(client, url, [b"0.1"])
    after = client_clock().now()
    assert reply.connected_s is not None
    assert reply.first_byte_s is not None
    assert (
        before <= reply.intended_s <= reply.sent_s <= reply.connected_s <= reply.first_byte_s <= reply.done_s <= after
    )
    assert reply.first_byte_s - reply.sent_s >= 0.1


def test_a_connection_used_before_has_no_connect_time(client: HttpClient, url: str) -> None:
    first, second = send(client, url, [b"a", b"b"])
    assert first.connected_s is not None
    assert first.connected_s > first.sent_s
    assert second.connected_s == second.sent_s


def test_closed_loop_never_exceeds_its_users(client: HttpClient, url: str) -> None:
    replies = send(client, url, [b"0.02"] * 12, users=3)
    events = sorted([(r.sent_s, 1) for r in replies] + [(r.done_s, -1) for r in replies])
    in_flight = most = 0
    for _, change in events:
        in_flight += change
        most = max(most, in_flight)
    assert most == 3


def test_burst_is_in_flight_all_at_once(client: HttpClient, url: str) -> None:
    replies = list(client.drive(Arrivals([0.0] * 10), lambda n: Request(url, b"0.3", str(n))))
    assert max(reply.sent_s for reply in replies) < min(reply.done_s for reply in replies)
    assert len({reply.intended_s for reply in replies}) == 1


def test_open_loop_counts_from_the_intended_time(client: HttpClient, url: str) -> None:
    times = [0.0, 0.05, 0.1, 0.15]
    replies = list(client.drive(Arrivals(times), lambda n: Request(url, b"0.2", str(n))))
    replies.sort(key=lambda reply: reply.intended_s)
    start = replies[0].intended_s
    assert [round(reply.intended_s - start, 6) for reply in replies] == times
    assert all(reply.sent_s >= reply.intended_s for reply in replies)


def test_http_errors_are_replies(client: HttpClient, url: str) -> None:
    (reply,) = send(client, url, [b"busy"])
    assert (reply.http_status, reply.error) == (429, None)


def test_time_out_is_a_reply_that_says_so(client: HttpClient, url: str) -> None:
    (reply,) = send(client, url, [b"5"], timeout_s=0.1)
    assert (reply.http_status, reply.error) == (None, "timeout")
    assert 0.05 <= reply.done_s - reply.sent_s < 4


def test_refused_connection_is_a_reply_without_connect_time(client: HttpClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        (reply,) = send(client, f"http://127.0.0.1:{port}/", [b"x"])
    assert reply.http_status is None
    assert reply.connected_s is None
    assert reply.error is not None
    assert "connect" in reply.error.lower()


def test_connection_closed_without_an_answer_is_a_reply(client: HttpClient, url: str) -> None:
    (reply,) = send(client, url, [b"drop"])
    assert reply.http_status is None
    assert reply.error


def test_client_is_usable_after_an_abandoned_drive(client: HttpClient, url: str) -> None:
    iterator = client.drive(Closed(5, 5), lambda n: Request(url, b"0" if n == 0 else b"3", str(n)))
    assert next(iterator).request_id == "0"
    iterator.close()  # type: ignore[attr-defined]  # drive is a generator
    assert [reply.body for reply in send(client, url, [b"again"])] == [b"again"]


def test_interrupt_ends_a_drive_at_once(client: HttpClient, url: str) -> None:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    with interrupts.handled():
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            send(client, url, [b"8"], timeout_s=20)
    assert time.monotonic() - started < 4


def test_body_of_megabytes_comes_back_whole(client: HttpClient, url: str) -> None:
    body = os.urandom(3_000_000)
    (reply,) = send(client, url, [body])
    assert reply.body == body
    assert reply.bytes_out == len(body)
