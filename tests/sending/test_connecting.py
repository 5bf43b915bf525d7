"""Silent addresses, names that cannot be, limits of this machine, and connections that must outlive a NAT gateway."""

from __future__ import annotations

import errno
import itertools
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.errors import UserError
from sebsx.model import Reply
from sebsx.sending import racing, route
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.sending.racing import interleaved
from tests.sending.conftest import Scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of 127.0.0.1 whose queue is full: connecting neither succeeds nor fails."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *places: tuple[str, int]) -> None:
    """Let every name stand for these places: a name with two addresses is not to be had on loopback."""
    found = [(socket.AF_INET6 if ":" in host else socket.AF_INET, 1, 6, "", (host, port)) for host, port in places]
    monkeypatch.setattr(route.socket, "getaddrinfo", lambda *_args, **_named: found)


def call(client: HttpClient, url: str, calls: int = 1, timeout_s: float = 5) -> list[Reply]:
    return list(client.drive(Closed(calls), lambda number: Outgoing(url, b"{}", f"id-{number}", timeout_s=timeout_s)))


@pytest.mark.slow
def test_silent_address_costs_a_moment_and_the_next_call_nothing(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    with Scripted([closing], [closing]) as server:
        resolving(monkeypatch, ("127.0.0.1", silent), ("127.0.0.1", server.port))
        first, second = call(client, "http://two.example/", 2)
    assert (first.http_status, second.http_status) == (200, 200)
    assert first.connected_s is not None
    assert second.connected_s is not None
    assert racing.ATTEMPT_DELAY_S <= first.connected_s - first.sent_s < 2
    assert second.connected_s - second.sent_s < racing.ATTEMPT_DELAY_S
    assert client.way_to("http://two.example/")["fallback"] == "127.0.0.1 did not answer; 127.0.0.1 did"


def test_refused_address_is_passed_at_once(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free, Scripted([OK]) as server:
        free.bind(("127.0.0.1", 0))
        resolving(monkeypatch, ("127.0.0.1", free.getsockname()[1]), ("127.0.0.1", server.port))
        (reply,) = call(client, "http://two.example/")
    assert reply.connected_s is not None
    assert reply.connected_s - reply.sent_s < racing.ATTEMPT_DELAY_S


@pytest.mark.slow
def test_call_to_addresses_that_are_all_silent_is_a_time_out(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    resolving(monkeypatch, ("127.0.0.1", silent), ("127.0.0.1", silent))
    (reply,) = call(client, "http://two.example/", timeout_s=0.6)
    assert (reply.error, reply.limit) == ("timeout", None)


def test_families_take_turns_and_ipv4_begins() -> None:
    four, six = [(socket.AF_INET, (f"127.0.0.{n}", 1)) for n in (1, 2)], [(socket.AF_INET6, ("::1", 1))]
    assert interleaved([*six, *four]) == [four[0], six[0], four[1]]


@pytest.mark.parametrize(
    "host", ["a..b", ".a", "x" * 64 + ".example", "a b.example", "ü" * 70, "a" * 250 + ".com", "%"]
)
def test_impossible_name_is_refused_at_once(client: HttpClient, host: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(UserError, match="cannot be a name"):
        call(client, f"http://{host}/")
    assert time.monotonic() - started_s < 1


def test_connections_are_kept_alive_on_their_way(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    prepare = racing._prepare
    monkeypatch.setattr(racing, "_prepare", lambda sock: (prepare(sock), made.append(sock)))
    with Scripted([OK]) as server:
        call(client, f"http://127.0.0.1:{server.port}/")
        (sock,) = made
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 240


SLOW = """
import socket, threading, time
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
def serve(client):
    while client.recv(65536):
        time.sleep(0.3)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server in a process of its own, with limits of its own."""
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        process.kill()


@pytest.mark.slow
def test_no_descriptors_left_is_this_machines_fault_and_names_the_limit(client: HttpClient, elsewhere: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _limit_that_leaves(8)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        replies = list(client.drive(Arrivals([0.0] * 40), lambda n: Outgoing(elsewhere, b"{}", str(n))))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    failed = [reply for reply in replies if reply.error]
    assert len(replies) == 40
    assert 20 < len(failed) < 40
    assert {reply.limit for reply in failed} == {f"open files of this process (ulimit -n {limit})"}


def test_no_ports_left_is_this_machines_fault(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # To use up 28,000 ports takes longer than a test may.
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_args: errno.EADDRNOTAVAIL)
    (reply,) = call(client, "http://127.0.0.1:1/")
    assert reply.limit == "local ports (net.ipv4.ip_local_port_range)"


def test_no_thread_left_is_this_machines_fault(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    (reply,) = call(client, "http://localhost:1/")
    assert reply.limit is not None
    assert "threads" in reply.limit


def test_refused_connection_is_the_servers_fault(client: HttpClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (reply,) = call(client, f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert reply.limit is None


def test_proxy_on_the_way_is_a_fact_without_its_password(monkeypatch: pytest.MonkeyPatch, client: HttpClient) -> None:
    with Scripted([OK]) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        call(client, "http://far.example/")
    assert client.way_to("http://far.example/") == {
        "address": "127.0.0.1",
        "proxy": f"http://127.0.0.1:{proxy.port}",
    }


def _limit_that_leaves(count: int) -> int:
    """Return the limit below which so many numbers are free, whatever this process was started with."""
    used = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    free = (number for number in itertools.count() if number not in used)
    return next(itertools.islice(free, count, None))
