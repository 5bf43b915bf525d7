"""Servers that send what no API does: each is told in one line, read no further than answers go, and left behind."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Self

import pytest

from sebsx.clouds.rest import RestApi
from sebsx.errors import EXIT_PLATFORM, PlatformError
from sebsx.model.untrusted import ANSWER_BYTES, MIB
from tests.support import Call, Cli

_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_BUFFERED = 16 * MIB  # of what the kernel takes from a server and nobody reads


def _endless() -> Iterator[bytes]:
    yield _JSON + b'\r\n["'
    while True:
        yield b"x" * 65536


def _dripping() -> Iterator[bytes]:
    yield _JSON + b"\r\n["
    while True:
        time.sleep(0.02)
        yield b" "


def _bomb() -> Iterator[bytes]:
    packed = gzip.compress(b" " * (8 * MIB)) * 100
    yield _JSON + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


def _wrong() -> Iterator[bytes]:
    yield _JSON + b"Content-Length: 8\r\n\r\n[1,null]"


def _elsewhere() -> Iterator[bytes]:
    yield b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Hostile:
    """A server on loopback that answers every request so, until nobody listens any more."""

    answer: Callable[[], Iterator[bytes]]
    sent_bytes: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "somebody is still connected"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            while client.recv(65536):
                for piece in self.answer():
                    client.sendall(piece)
                    self.sent_bytes += len(piece)


KINDS = {
    "wrong": (_wrong, "does not answer as"),
    "endless": (_endless, "is larger than 64 MiB"),
    "dripping": (_dripping, "did not end within 0.5 s"),
    "bomb": (_bomb, "is larger than 64 MiB"),
    "elsewhere": (_elsewhere, "sends requests on to 'file://'"),
}
ADDRESSES = {"openwhisk": "API_HOST", "openfaas": "GATEWAY"}


@pytest.mark.slow
@pytest.mark.parametrize("platform", ADDRESSES)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_server_is_one_line_of_doctor(sebsx: Cli, call: Call, monkeypatch: pytest.MonkeyPatch, platform: str,
                                              kind: str) -> None:  # fmt: skip
    answer, words = KINDS[kind]
    with Hostile(answer) as server:
        known = {ADDRESSES[platform]: server.url, "ANSWER_S": "0.5"}
        known |= {"AUTH": "user:key"} if platform == "openwhisk" else {"PASSWORD": "secret"}
        for name, value in known.items():
            monkeypatch.setenv(f"SEBSX_PLATFORM__{platform.upper()}__{name}", value)
        said = call("doctor", "--platform", platform)
    assert said.code == EXIT_PLATFORM
    told = [line for line in (said.stdout + said.stderr).splitlines() if words in " ".join(line.split())]
    assert told, said.stdout + said.stderr
    assert "Traceback" not in said.stdout + said.stderr
    assert server.sent_bytes < ANSWER_BYTES + _BUFFERED


def test_body_that_comes_slowly_and_is_large_is_read_to_its_end() -> None:
    def slow() -> Iterator[bytes]:
        yield _JSON + b"Content-Length: 400002\r\n\r\n["
        for _ in range(8):
            time.sleep(0.02)
            yield b" " * 50_000
        yield b"]"

    with Hostile(slow) as server:
        api = RestApi(server.url, extra="openfaas", refusals=(), answer_s=0.1)
        assert api.ask("look", "GET", "/") == []
        api.close()


def test_list_of_what_is_no_object_is_refused() -> None:
    with Hostile(_wrong) as server:
        api = RestApi(server.url, extra="openfaas", refusals=())
        with pytest.raises(PlatformError, match=r"list of functions: the answer of .* is not a list of objects"):
            api.listed("list of functions", "/")
        api.close()
