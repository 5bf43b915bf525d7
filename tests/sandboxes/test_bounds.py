"""Whatever a client or a function sends to the gateway has a bound, and strangers are refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from sebsx.sandboxes.http import HttpProtocol, Request
from tests.sandboxes.conftest import ECHO, Harness, run_gateway

MIB = 2**20
HEAD = b"POST /invoke/x HTTP/1.1\r\n"


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def send(port: int, pieces: Iterable[bytes]) -> bytes:
    """Send until the other side has enough; return what it says."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""


def endless(first: bytes, piece: bytes, total: int = 64 * MIB) -> Iterable[bytes]:
    yield first
    for _ in range(0, total, len(piece)):
        yield piece


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (HEAD, b"a:b\r\n" * 20_000),
        (HEAD, b"".join(b"x%d: y\r\n" % number for number in range(10_000))),
        (HEAD + b"long: ", b"x" * 65536),
        (HEAD, b"n" * 65536),
        (b"POST /", b"p" * 65536),
        (b"", b"\r\n" * 32768),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"trailer: x\r\n" * 5000),
    ],
    ids=["headers", "names", "a value", "a name", "a path", "empty lines", "trailers"],
)
def test_head_without_end_is_refused_and_takes_no_memory(harness: Harness, first: bytes, piece: bytes) -> None:
    pid = harness.gateway.pid
    before = resident_bytes(pid)
    for _ in range(3):
        answer = send(harness.gateway.port, endless(first, piece))
        assert answer[9:12] in (b"431", b"400", b"")
    assert resident_bytes(pid) - before < 24 * MIB
    assert harness.call(harness.deploy(ECHO), 1).json["output"] == 1


def test_bodies_ahead_of_their_answers_are_bounded() -> None:
    held: list[Request] = []
    closed: list[bool] = []

    class Transport(asyncio.Transport):
        def close(self) -> None:
            closed.append(True)

        def is_closing(self) -> bool:
            return bool(closed)

    async def feed() -> None:
        protocol = HttpProtocol(lambda request, _: held.append(request), 1000)
        protocol.connection_made(Transport())
        for _ in range(3):
            protocol.data_received(b"POST / HTTP/1.1\r\nContent-Length: 600\r\n\r\n" + b"x" * 600)

    asyncio.run(feed())
    assert len(held) == 1
    assert closed == [True]


def test_only_headers_that_are_asked_for_are_kept() -> None:
    seen: list[Request] = []

    async def feed() -> None:
        protocol = HttpProtocol(lambda request, _: seen.append(request), 1000)
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: h\r\nCookie: c\r\nX-Sebsx-Token: " + b"t" * 5000 + b"\r\n\r\n")

    asyncio.run(feed())
    assert set(seen[0].headers) == {b"host", b"x-sebsx-token"}
    assert len(seen[0].headers[b"x-sebsx-token"]) == 1024


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (b"Host: 127.0.0.1:5\r\n", b"200"),
        (b"Host: localhost\r\n", b"200"),
        (b"Host: any.localhost:80\r\n", b"200"),
        (b"Host: rebound.example\r\n", b"403"),
        (b"Host: rebound.example:80\r\n", b"403"),
        (b"Host: 127.0.0.1.example\r\n", b"403"),
        (b"Host: 127.0.0.1\r\nOrigin: https://page.example\r\n", b"403"),
        (b"Host: 127.0.0.1\r\nOrigin: null\r\n", b"403"),
    ],
)
def test_pages_of_strangers_are_refused(harness: Harness, headers: bytes, code: bytes) -> None:
    name = harness.deploy(ECHO).encode()
    request = b"POST /invoke/%s HTTP/1.1\r\n%sContent-Length: 1\r\n\r\n1" % (name, headers)
    assert send(harness.gateway.port, [request])[9:12] == code


def children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += [int(folder.name), *children(int(folder.name))]
    return found


@pytest.mark.slow
def test_no_process_of_the_gateway_knows_the_secrets_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    monkeypatch.setenv("SOME_TOKEN", "planted-secret")
    for harness in run_gateway(tmp_path):
        harness.call(harness.deploy(ECHO))
        pid = harness.gateway.pid
        processes = [pid, *children(pid)]
        assert len(processes) >= 3  # the gateway, its sweeper, a sandbox
        for process in processes:
            assert b"planted-secret" not in Path(f"/proc/{process}/environ").read_bytes()


@pytest.mark.slow
def test_function_cannot_hold_many_connections_to_the_gateway(harness: Harness) -> None:
    code = """
        import os, socket
        def handler(event, context):
            host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
            held = [socket.create_connection((host, int(port))) for _ in range(50)]
            open_ones = 0
            for one in held:
                one.settimeout(0.05)
                try:
                    open_ones += one.recv(1) != b""
                except socket.timeout:
                    open_ones += 1
                except OSError:
                    pass
            return open_ones
    """
    name = harness.deploy(code)
    assert harness.call(name).json["output"] <= 4
    assert harness.call(name).status == "ok"
