"""A platform that answers later: calls are accepted with 202, and their results asked for."""

from __future__ import annotations

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from sebsx.contracts.exchanges import LocationExchange
from sebsx.testing.fakes import FakePlatform

if TYPE_CHECKING:
    from sebsx.contracts.senders import Exchange
    from sebsx.model import Deployment, Reply

_POLL_S = 0.02
_REQUEST_HEADER = "x-fake-request"


class LaterPlatform(FakePlatform):
    """The fake platform behind a real server on loopback, each call in a thread of its own.

    Faults are those of `FakePlatform`; a call whose answer is lost stays unfinished for ever.

    Attributes:
        asked: How often results were asked for.
    """

    name = "later"
    summary = "in the process of the test, answering later"

    def __init__(self, settings: Any, context: Any) -> None:
        super().__init__(settings, context)
        self.asked = 0
        self._known: dict[str, Deployment] = {}
        self._results: dict[str, Reply | None] = {}
        self._numbers = itertools.count()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def exchange(self, deployment: Deployment) -> Exchange:
        """Return how a function is called: submitted to this server, and asked for every 20 ms."""
        assert self._server is not None
        self._known[deployment.id] = deployment
        return LocationExchange(
            url=f"http://127.0.0.1:{self._server.server_port}/calls/{deployment.id}", every_s=_POLL_S
        )

    def request_id_of(self, reply: Reply) -> str:
        """Return the id under which the function ran."""
        return reply.headers.get(_REQUEST_HEADER, reply.request_id)

    def take(self, name: str, payload: bytes) -> str:
        """Begin a call and return the path of its result."""
        place = f"/results/{next(self._numbers)}"
        self._results[place] = None
        threading.Thread(target=self._work, args=(place, self._known[name], payload), daemon=True).start()
        return place

    def result(self, place: str) -> Reply | None:
        """Return a result; None while there is none."""
        self.asked += 1
        return self._results[place]

    def _work(self, place: str, deployment: Deployment, payload: bytes) -> None:
        reply = self.invoke(deployment, payload, deployment.config.timeout_s)
        if reply.http_status is not None or reply.connected_s is None:  # a call that was refused ends as well
            self._results[place] = reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_args: object) -> None:
        """A client that gives up is part of the tests."""


def _handler(platform: LaterPlatform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(202, b"", platform.take(self.path.rpartition("/")[2], payload))

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            reply = platform.result(self.path)
            if reply is None:
                self._say(202, b"", self.path)
            else:
                self._say(reply.http_status or 503, reply.body, request_id=reply.request_id)

        def _say(self, status: int, body: bytes, place: str = "", request_id: str = "") -> None:
            self.send_response(status)
            for name, value in (("Location", place), (_REQUEST_HEADER, request_id)):
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    return Handler
