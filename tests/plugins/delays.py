"""A platform whose gateway is reached through a proxy that delays, by amounts that a test chooses and can read."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import urlsplit, urlunsplit

import pytest

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.platforms import Platform
from sebsx.contracts.runs import RunView
from sebsx.model import Deployment, FunctionConfig, Package
from sebsx.running import orchestrator
from sebsx.sandboxes.platforms import GatewayPlatform
from sebsx.store import Store
from sebsx.testing.registries import registry_with
from sebsx_local.backend import LocalPlatform
from tests.orchestration import Listener


@dataclass
class Proxy:
    """Forwards HTTP on loopback, one request after the other on each connection.

    Args:
        upstream: Host and port.
        out_s: Delay of requests.
        back_s: Delay of answers.
        least_bytes: Requests with a smaller body are not delayed.

    Attributes:
        delays_s: What each delayed request waited in fact, scheduling included.
    """

    upstream: tuple[str, int]
    out_s: float = 0.0
    back_s: float = 0.0
    least_bytes: int = 0
    delays_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()[:2]
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self.upstream) as server:
            self._open.append(server)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client.makefile("rb") as questions, server.makefile("rb") as answers:
                while (question := _message(questions)) is not None:
                    delayed = question[1] >= self.least_bytes and (self.out_s or self.back_s)
                    came_s = time.perf_counter()
                    if delayed:
                        time.sleep(self.out_s)
                        self.delays_s.append(time.perf_counter() - came_s)
                    server.sendall(question[0])
                    answer = _message(answers)
                    if answer is None:
                        return
                    if delayed:
                        time.sleep(self.back_s)
                    client.sendall(answer[0])


def _message(stream: BinaryIO) -> tuple[bytes, int] | None:
    """Return a whole message and the length of its body; None at the end."""
    head, length = [], 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        head.append(line)
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    if not head:
        return None
    return b"".join(head) + b"\r\n" + stream.read(length), length


class Delayed(GatewayPlatform[Any]):
    """A platform of this machine behind proxies, one for each deployment."""

    delays: ClassVar[dict[str, Any]] = {}
    proxies: ClassVar[list[Proxy]] = []

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        deployment = super().deploy(package, config)
        assert deployment.endpoint is not None
        url = urlsplit(deployment.endpoint)
        assert url.hostname is not None
        assert url.port is not None
        proxy = Proxy((url.hostname, url.port), **self.delays)
        self.proxies.append(proxy)
        host, port = proxy.address
        return replace(deployment, endpoint=urlunsplit(url._replace(netloc=f"{host}:{port}")))


@contextmanager
def delayed(base: type[GatewayPlatform[Any]] = LocalPlatform, **delays: Any) -> Iterator[type[Delayed]]:
    """Return a platform with these delays; its proxies are closed afterwards."""
    facts = {"name": "delayed", "summary": "behind a proxy that delays", "default": False}
    cls = type("DelayedPlatform", (Delayed, base), {**facts, "delays": delays, "proxies": []})
    try:
        yield cls
    finally:
        for proxy in cls.proxies:
            proxy.close()


def run_on(
    platform: type[Platform[Any]], experiment: Experiment[Any], settings: Any, store: Store, seed: int = 1
) -> RunView:
    """Run an experiment on one platform with its default settings, and return what was stored."""
    wanted = orchestrator.RunSpec(experiment, settings, {platform.name: platform.Settings()}, seed=seed)
    run = orchestrator.run(wanted, registry_with(platform), store, Listener())
    return store.view(run.id)


@pytest.fixture
def home(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that tests share, so that a package is built once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
