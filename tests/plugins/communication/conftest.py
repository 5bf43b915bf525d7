"""A real Redis, and a proxy with a known latency and bandwidth in front of whatever listens."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

CHUNK_BYTES = 8192


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class ShapingProxy:
    """Forwards connections; each direction holds bytes back for `delay_s` and lets `rate` of them through a second.

    A byte that arrives at t leaves at max(t, when the one before it left the bucket) + 1 / rate + delay. With
    `swallow_after`, nothing is forwarded any more once so many bytes came from clients.
    """

    def __init__(self, target: int, delay_s: float, rate: float, swallow_after: float = float("inf")) -> None:
        self.target, self.delay_s, self.rate = target, delay_s, rate
        self._left = swallow_after
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._sockets: list[socket.socket] = [self._server]
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._closed = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                continue
            self._sockets += [client, server]
            for source, sink, counted in ((client, server, True), (server, client, False)):
                for each in (source, sink):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=self._take, args=(source, line, counted), daemon=True).start()
                threading.Thread(target=self._give, args=(sink, line), daemon=True).start()

    def _take(self, source: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]], counted: bool) -> None:
        free_at = 0.0
        while True:
            try:
                data = source.recv(CHUNK_BYTES)
            except OSError:
                data = b""
            free_at = max(free_at, time.perf_counter()) + len(data) / self.rate
            if counted:
                self._left -= len(data)
            if self._left >= 0 or not data:
                line.put((free_at + self.delay_s, data))
            if not data:
                return

    def _give(self, sink: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            due, data = line.get()
            wait_s = due - time.perf_counter()
            if wait_s > 0:
                time.sleep(wait_s)
            with suppress(OSError):
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)


@pytest.fixture
def shaped() -> Iterator[Callable[..., ShapingProxy]]:
    made: list[ShapingProxy] = []

    def make(target: int, delay_s: float, rate: float, **more: float) -> ShapingProxy:
        made.append(ShapingProxy(target, delay_s, rate, **more))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of Debian's Redis on 127.0.0.1, without persistence."""
    binary = shutil.which("redis-server")
    if binary is None:
        message = "no Redis is installed (apt-get install redis-server)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_s = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None
            assert time.monotonic() < until_s, "Redis does not answer"
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def redis_keys(port: int) -> list[bytes]:
    """Return what is left in Redis."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"KEYS *\r\n")
        answer = connection.recv(1 << 16)
    return [line for line in answer.split(b"\r\n")[1:] if line and not line.startswith(b"$")]
