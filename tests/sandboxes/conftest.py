"""A running gateway with real sandboxes, and a client that speaks to it as users do."""

from __future__ import annotations

import http.client
import json
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sebsx.sandboxes import Gateway
from sebsx.sandboxes.pool import PoolConfig
from sebsx.system.processes import owner_of
from sebsx_local import launcher
from tests.packages import write_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ECHO = "def handler(event, context):\n    return event\n"
SLOW = "import time\ndef handler(event, context):\n    time.sleep(event['sleep_s'])\n"
# Answers when a file is there.
HELD = """
    import os, time
    def handler(event, context):
        while not os.path.exists(event["until"]):
            time.sleep(0.005)
"""


@dataclass
class Answer:
    """What came back."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> str | None:
        return self.headers.get("x-sebsx-status")

    @property
    def sandbox(self) -> str:
        return self.headers["x-sebsx-sandbox"]

    @property
    def start(self) -> str:
        return self.headers["x-sebsx-start"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


@dataclass
class Harness:
    """A gateway, and short words for what tests do with it."""

    gateway: Gateway
    workdir: Path
    deployments: list[str] = field(default_factory=list)

    def deploy(self, code: str = ECHO, **config: Any) -> str:
        """Deploy code, and return the name."""
        name = f"d{len(self.deployments)}"
        self.deployments.append(name)
        root = write_package(self.workdir / "packages" / name, code)
        command = [sys.executable, "-I", "-S", str(root / "sebsx_runtime" / "bootstrap.py")]
        config = {"memory_mib": 1769, "timeout_s": 20.0, **config}
        self.gateway.deploy(PoolConfig(name, options={"command": command, "root": str(root)}, **config))
        return name

    def call(self, name: str, event: Any = None, request_id: str | None = None, raw: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        if request_id is not None:
            headers["X-Sebsx-Request-Id"] = request_id
        body = json.dumps({} if event is None else event).encode() if raw is None else raw
        connection.request("POST", f"/invoke/{name}", body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        connection.close()
        return answer

    @contextmanager
    def held(self, name: str, count: int, at_once: int | None = None) -> Iterator[list[Future[Answer]]]:
        """Call a deployment of `HELD`, and yield the calls while `at_once` of them, or all, are in their sandboxes.

        They go on, and have their answers, when the block ends.
        """
        gate = self.workdir / f"gate-{uuid4()}"
        with ThreadPoolExecutor(count) as threads:
            try:
                calls = [threads.submit(self.call, name, {"until": str(gate)}) for _ in range(count)]
                eventually(lambda: list(self.sandboxes(name).values()).count("busy") == (at_once or count))
                yield calls
            finally:
                gate.touch()

    def call_at_once(self, name: str, count: int) -> list[Answer]:
        """Call a deployment of `HELD` so that each call needs a sandbox of its own."""
        with self.held(name, count) as calls:
            pass
        return [call.result() for call in calls]

    def sandboxes(self, name: str) -> dict[str, str]:
        return self.gateway.state()[name]


def eventually(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    """Return the first true value of `condition`, or fail after a while."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail("the condition did not come true")


def runs(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    return owner_of(pid) is not None


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """A gateway for all tests of a module."""
    yield from run_gateway(tmp_path_factory.mktemp("gateway"))


def run_gateway(
    workdir: Path, limits: str = "auto", launched_by: str = launcher.NAME, **options: Any
) -> Iterator[Harness]:
    gateway = Gateway(
        launched_by,
        {"workdir": str(workdir), "limits": limits, "cpu_boost_at_init": True},
        workdir / "gateway.log",
        **options,
    )
    gateway.start()
    try:
        yield Harness(gateway, workdir)
    finally:
        gateway.stop()
