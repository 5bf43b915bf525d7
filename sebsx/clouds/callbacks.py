"""Takes the results of asynchronous calls, which a provider sends to a URL of ours, and hands them to the engine.

A process of its own: it shares no interpreter lock with the load generator. Started as
`python -m sebsx.clouds.callbacks HOST PORT`; it is told TOKEN and the headers that matter as the first line of its
standard input, which is for nobody else on this machine, says its port on standard output, and ends when its standard
input does. Results are posted to /callback/TOKEN, and asked for at /results/TOKEN, which waits until there are some.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from sebsx.contracts.senders import Delivery, Done, HttpRequest, Inbox
from sebsx.errors import PlatformError, UnsupportedError
from sebsx.model.untrusted import parse_json

if TYPE_CHECKING:
    from sebsx.contracts.senders import HttpAnswer

_HELD_S = 2.0
_BYTES = 64 * 2**20
_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackHeaders:
    """The headers of a result that is sent to us, in lower case.

    Args:
        id: Names the call.
        status: Tells the status that the function answered with; 200 where there is none.
        kept: Those that are handed on beside these two.
    """

    id: str
    status: str
    kept: tuple[str, ...] = ()


class CallbackSink:
    """The process that takes results, started.

    Args:
        callback_url: URL by which the provider reaches this machine, with a port.
        headers: Those of its results.

    Attributes:
        callback: Where the provider sends results.
        inbox: Where the engine asks for them.

    Raises:
        UnsupportedError: If no such URL is known.
        PlatformError: If it cannot listen there.
    """

    def __init__(self, callback_url: str, headers: CallbackHeaders) -> None:
        parts = urlsplit(callback_url)
        if not parts.hostname or parts.port is None:
            raise UnsupportedError(
                "trigger=async needs a URL by which the provider reaches this machine; give one with "
                "--set callback_url=http://ADDRESS:PORT"
            )
        token = secrets.token_hex(16)
        host = parts.hostname if parts.hostname in _LOOPBACK else "0.0.0.0"  # noqa: S104  # a token keeps others out
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, host, str(parts.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ),
            start_new_session=True,  # Ctrl-C is for the parent: results of calls under way are still taken
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = {"token": token, "id": headers.id, "kept": [headers.id, headers.status, *headers.kept]}
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        port = self._process.stdout.readline().decode().strip()
        if not port:
            self.close()
            raise PlatformError(f"results cannot be taken at port {parts.port}; is it free? set callback_url")
        self.callback = f"{parts.scheme}://{parts.hostname}:{port}/callback/{token}"
        self.inbox = CallbackInbox(results=f"http://127.0.0.1:{port}/results/{token}", status_header=headers.status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End it. A second call is harmless."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackInbox(Inbox):
    """What the sink holds."""

    results: str
    status_header: str

    def ask(self) -> HttpRequest:
        """Return the question, held until there are results."""
        return HttpRequest(url=self.results, method="GET")

    def read(self, answer: HttpAnswer) -> Delivery:
        """Return the results by the ids of their calls."""
        return Delivery(results={item["id"]: self._done(item) for item in parse_json(answer.body)})

    def _done(self, item: dict[str, Any]) -> Done:
        headers = item["headers"]
        status = headers.get(self.status_header, "")
        code = int(status) if status.isdecimal() else 200
        return Done(body=base64.b64decode(item["body"]), status=code, headers=headers)


class _Results:
    """Results that nobody has asked for."""

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def add(self, item: dict[str, Any]) -> None:
        """Keep one."""
        with self._changed:
            self._items.append(item)
            self._changed.notify()

    def take(self) -> list[dict[str, Any]]:
        """Return all there are, as soon as there are any; none after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._items, _HELD_S)
            taken, self._items = self._items, []
            return taken


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    token: str
    id_header: str
    kept: tuple[str, ...]
    results: _Results

    def do_POST(self) -> None:
        """Take a result."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != f"/callback/{self.token}" or length > _BYTES:
            self.close_connection = True
            self._say(404, b"")
            return
        headers = {name: self.headers[name] for name in self.kept if self.headers[name]}
        body = base64.b64encode(self.rfile.read(length)).decode()
        self.results.add({"id": headers.get(self.id_header, ""), "headers": headers, "body": body})
        self._say(202, b"")

    def do_GET(self) -> None:
        """Hand out what there is."""
        if self.path != f"/results/{self.token}":
            self._say(404, b"")
            return
        self._say(200, json.dumps(self.results.take()).encode())

    def _say(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        """Bind, without looking up the name of this machine."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()


def main(host: str, port: int) -> None:
    """Take results until standard input ends."""
    told = json.loads(sys.stdin.buffer.readline())
    words = {"token": told["token"], "id_header": told["id"], "kept": tuple(told["kept"]), "results": _Results()}
    handler = type("Handler", (_Handler,), words)
    server = _Server((host, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(1, f"{server.server_address[1]}\n".encode())
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
