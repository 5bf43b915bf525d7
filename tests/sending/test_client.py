from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from statistics import median

import pytest

from sebsx.contracts.schedules import Arrivals, Closed, Open, Users, constant
from sebsx.errors import LimitReachedError
from sebsx.model import DROPPED, Reply
from sebsx.model.clock import client_clock
from sebsx.running.session.sending import Allowed
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.system.interrupts import interrupts


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


def send(client: HttpClient, url: str, bodies: list[bytes], users: int = 1, timeout_s: float = 10) -> list[Reply]:
    def request(number: int) -> Outgoing:
        return Outgoing(url, bodies[number], f"id-{number}", timeout_s=timeout_s)

    return list(client.drive(Closed(len(bodies), users=users), request))


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


def test_answers_that_came_together_do_not_hold_up_what_is_due(client: HttpClient, url: str) -> None:
    steps: list[str] = []

    def request(number: int) -> Outgoing:
        steps.append("sent")
        return Outgoing(url, b"x", f"id-{number}")

    send(client, url, [b"0.05"] * 40, users=40)  # connections to all that is sent below
    for _ in client.drive(Closed(80, users=40), request):
        if "got" not in steps:
            time.sleep(0.2)  # the server answers all others meanwhile
        steps.append("got")

    until_all_sent = steps[: len(steps) - steps[::-1].index("sent")]
    assert max(len(list(run)) for step, run in itertools.groupby(until_all_sent) if step == "got") <= 16


def test_answer_that_nobody_looked_at_in_time_is_no_time_out(client: HttpClient, url: str) -> None:
    def request(number: int) -> Outgoing:
        return Outgoing(url, b"10" if number == 0 else b"0.05", f"id-{number}", timeout_s=60)

    replies = []
    for reply in client.drive(Closed(40, users=40), request):
        if not replies:  # hold the sender up until all but the first call are answered, and past every deadline
            busy = client._engine.transport.busy
            for connection in busy:
                assert connection.request is not None
                if connection.request.request_id != "id-0":
                    select.select([connection.sock], [], [], 30)
                connection.deadline_s = 0.0
            client._engine._deadline_s = 0.0
        replies.append(reply)

    assert {reply.request_id: reply.error for reply in replies if reply.error} == {"id-0": "timeout"}
    assert len(replies) == 40


def test_what_was_sent_before_a_limit_is_answered(client: HttpClient, url: str) -> None:
    left = iter(range(5))

    def allow() -> None:
        if next(left, None) is None:
            raise LimitReachedError("enough")

    schedule = Allowed(Arrivals([0.0] * 9), allow)
    replies = list(client.drive(schedule, lambda number: Outgoing(url, b"0.05", f"id-{number}")))
    assert [reply.http_status for reply in replies] == [200] * 5
    with pytest.raises(LimitReachedError, match="enough"):
        schedule.settle()


def test_closed_loop_never_exceeds_its_users(client: HttpClient, url: str) -> None:
    replies = send(client, url, [b"0.02"] * 12, users=3)
    events = sorted([(r.sent_s, 1) for r in replies] + [(r.done_s, -1) for r in replies])
    in_flight = most = 0
    for _, change in events:
        in_flight += change
        most = max(most, in_flight)
    assert most == 3


@pytest.mark.slow
def test_burst_is_in_flight_all_at_once(client: HttpClient, url: str) -> None:
    replies = list(client.drive(Arrivals([0.0] * 10), lambda n: Outgoing(url, b"0.3", str(n))))
    assert max(reply.sent_s for reply in replies) < min(reply.done_s for reply in replies)
    assert len({reply.intended_s for reply in replies}) == 1


@pytest.mark.slow
def test_open_loop_counts_from_the_intended_time(client: HttpClient, url: str) -> None:
    times = [0.0, 0.05, 0.1, 0.15]
    replies = list(client.drive(Arrivals(times), lambda n: Outgoing(url, b"0.2", str(n))))
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
    iterator = client.drive(Closed(5, users=5), lambda n: Outgoing(url, b"0" if n == 0 else b"3", str(n)))
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


@pytest.mark.slow
def test_request_due_while_too_many_are_in_flight_is_dropped_at_its_time(client: HttpClient, url: str) -> None:
    times = [0.0, 0.01, 0.02, 0.7]
    replies = list(client.drive(Arrivals(times), lambda n: Outgoing(url, b"0.15", str(n)), max_in_flight=2))
    by_id = {reply.request_id: reply for reply in replies}
    assert [by_id[str(n)].error for n in range(4)] == [None, None, DROPPED, None]
    start = by_id["0"].intended_s
    assert by_id["2"].intended_s - start == pytest.approx(0.02, abs=1e-5)
    assert client.in_flight_max == 2


@pytest.mark.slow
def test_stall_of_the_server_shows_in_response_time_and_not_in_service_time(client: HttpClient, url: str) -> None:
    # One connection's worth of room: a server that takes requests one at a time is what a closed loop of one is to an
    # open loop of 20 a second. The first answer takes 0.5 s, the others none: what was due at 0.05 i is answered at
    # 0.5 s, so that its response time is 0.5 - 0.05 i, while it was on its way for next to nothing.
    class OneAtATime(Arrivals):
        def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
            due_s = super().due_s(elapsed_s, sent, done)
            return None if sent > done and sent < len(self.times_s) else due_s

    schedule = OneAtATime([0.05 * n for n in range(8)])
    replies = list(client.drive(schedule, lambda n: Outgoing(url, b"0.5" if n == 0 else b"0", str(n))))
    for n, reply in enumerate(replies[1:], 1):
        assert reply.done_s - reply.intended_s > 0.5 - 0.05 * n
    assert median(reply.done_s - reply.sent_s for reply in replies[1:]) < 0.15  # the stall would make it 0.3 s
    assert replies[1].done_s - replies[1].intended_s >= 0.45


def test_time_between_requests_is_offered_for_other_work(client: HttpClient, url: str) -> None:
    offered: list[float] = []

    def idle(wait_s: float) -> bool:
        offered.append(wait_s)
        return len(offered) < 3

    list(client.drive(Arrivals([0.0, 0.1]), lambda n: Outgoing(url, b"0", str(n)), idle=idle))
    assert len(offered) >= 3
    assert all(0 < wait_s <= 0.2 for wait_s in offered)


@pytest.mark.slow
def test_low_rates_do_not_burn_a_processor(client: HttpClient, url: str) -> None:
    cpu_s = time.thread_time()
    list(client.drive(Open(constant(50, 1.0)), lambda n: Outgoing(url, b"0", str(n))))
    assert time.thread_time() - cpu_s < 0.5
    assert client.spun_s < 0.1


@pytest.mark.slow
def test_users_think_between_answer_and_request(client: HttpClient, url: str) -> None:
    schedule = Users(1, think_s=(0.1, 0.1), requests=4)
    replies = list(client.drive(schedule, lambda n: Outgoing(url, b"0", str(n))))
    assert len(replies) == 4
    for before, after in itertools.pairwise(replies):
        assert after.intended_s - before.done_s == pytest.approx(0.1, abs=1e-5)
        assert after.sent_s >= after.intended_s


@pytest.mark.slow
def test_users_send_nothing_after_their_time(client: HttpClient, url: str) -> None:
    replies = list(client.drive(Users(3, duration_s=0.3), lambda n: Outgoing(url, b"0.05", str(n))))
    start = min(reply.intended_s for reply in replies)
    assert max(reply.intended_s for reply in replies) - start <= 0.3
    assert all(reply.http_status == 200 for reply in replies)


@pytest.mark.slow
def test_time_outs_of_different_lengths_are_kept(client: HttpClient, url: str) -> None:
    limits = [3.0, 0.1, 0.2]
    replies = list(client.drive(Arrivals([0.0] * 3), lambda n: Outgoing(url, b"1", str(n), (), limits[n])))
    assert [(reply.request_id, reply.error) for reply in replies] == [("1", "timeout"), ("2", "timeout"), ("0", None)]
