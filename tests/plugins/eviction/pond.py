"""A platform of sandboxes that are only entries in a table, behind real HTTP: it evicts and fails as told."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

from sebsx.contracts.platforms import PlatformContext
from sebsx.model import Capability, Deployment, FunctionConfig, Package
from sebsx.testing.fakes import FakePlatform, FakeSettings

LOST, STRANGER, IMPOSTOR, SHARED, SLOW = "lost", "stranger", "impostor", "shared", "slow"


@dataclass
class Sandbox:
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    calls: int = 0
    busy: bool = True
    idle_since_s: float = 0.0


class Pond(FakePlatform):
    """Sandboxes live `live_s` after their last call.

    Class attributes:
        live_s: Their time to live.
        mishaps: What goes wrong, by function (from 0, as deployed) and number of the call (from 1).
        functions: Sandboxes of every function that was deployed, in the order of deployment.
        deploy_s: How long a deployment takes.
        clock_s: The wall clock of the sandboxes.
    """

    name = "pond"
    capabilities = FakePlatform.capabilities - {Capability.RECORDS}
    live_s: ClassVar[float] = 60.0
    mishaps: ClassVar[dict[tuple[int, int], str]] = {}
    functions: ClassVar[list[list[Sandbox]]] = []
    deploy_s: ClassVar[float] = 0.0
    clock_s: ClassVar[Any] = staticmethod(time.time)

    def __init__(self, settings: FakeSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._lock = threading.Lock()
        self._calls: dict[int, int] = {}
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self._server = _server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        time.sleep(self.deploy_s)
        made = super().deploy(package, config)
        assert self._server is not None
        url = f"http://127.0.0.1:{self._server.server_port}/{len(self.functions)}"
        self.functions.append([])
        return Deployment(made.id, config, effective=made.effective, endpoint=url)

    def answer(self, place: int, event: dict[str, Any]) -> tuple[int, bytes]:
        with self._lock:
            self._calls[place] = call = self._calls.get(place, 0) + 1
            fault = self.mishaps.get((place, call))
            sandbox = Sandbox() if fault == STRANGER else self._place(self.functions[place], fault)
            sandbox.calls = 7 if fault == STRANGER else sandbox.calls + 1
        started_s, started = self.clock_s(), time.perf_counter()
        time.sleep(event["duration_s"] + 0.1 * (fault == SLOW))
        held_s = time.perf_counter() - started
        with self._lock:
            sandbox.busy, sandbox.idle_since_s = False, time.monotonic()
        if fault == LOST:
            return 500, b""
        message = event["message"]
        output = {
            "reply": message[: event["reply_bytes"]],
            "message_sha256": hashlib.sha256(message.encode()).hexdigest(),
            "held_s": held_s,
        }
        figures = {
            "v": 1, "sandbox": sandbox.id, "call": 1 if fault == IMPOSTOR else sandbox.calls,
            "started_s": started_s, "finished_s": self.clock_s(), "duration_s": held_s,
            "samples": {"phase.hold_s": held_s},
        }  # fmt: skip
        return 200, json.dumps({"sebsx": figures, "output": output}).encode()

    def _place(self, sandboxes: list[Sandbox], fault: str | None) -> Sandbox:
        now_s = time.monotonic()
        sandboxes[:] = [each for each in sandboxes if each.busy or now_s - each.idle_since_s < self.live_s]
        free = [each for each in sandboxes if not each.busy or fault == SHARED]
        if free:
            found = max(free, key=lambda each: each.idle_since_s)
            found.busy = True
            return found
        sandboxes.append(Sandbox())
        return sandboxes[-1]


def _server(pond: Pond) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = pond.answer(int(self.path[1:]), json.loads(body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    return Server(("127.0.0.1", 0), Handler)


@contextmanager
def pond(**attributes: Any) -> Iterator[type[Pond]]:
    """Return a platform of its own, with these class attributes."""
    yield type("Waters", (Pond,), {"functions": [], "mishaps": {}, **attributes})
