"""Takes the results of asynchronous calls, which the gateway sends to a URL of ours, and hands them to the engine.

A process of its own: it shares no interpreter lock with the load generator. Started as
`python -m sebsx_openfaas.callbacks HOST PORT`; it is told TOKEN as the first line of its standard input, which is for
nobody else on this machine, says its port on standard output, and ends when its standard input does. Results are posted
to /callback/TOKEN, and asked for at /results/TOKEN, which waits until there are some.
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

from sebsx.contracts.senders import Arrives, Delivery, Done, Exchange, HttpRequest, Inbox
from sebsx.errors import PlatformError, UnsupportedError
from sebsx.model.untrusted import parse_json

if TYPE_CHECKING:
    from sebsx.contracts.senders import HttpAnswer

CALL_ID, STATUS = "x-call-id", "x-function-status"
_KEPT = ("x-call-id", "x-duration-seconds", "x-start-time", "x-function-status", "x-openfaas-internal", "content-type")
_HELD_S = 2.0
_BYTES = 64 * 2**20
_LOOPBACK = ("127.0.0.1", "localhost")


class Sink:
    """The process that takes results, started.

    Args:
        callback_url: URL by which the gateway reaches this machine, with a port.

    Attributes:
        callback: Where the gateway sends results.
        results: Where they are asked for.

    Raises:
        UnsupportedError: If no such URL is known.
        PlatformError: If it cannot listen there.
    """

    def __init__(self, callback_url: str) -> None:
        parts = urlsplit(callback_url)
        if not parts.hostname or parts.port is None:
            raise UnsupportedError(
                "trigger=async needs a URL by which the gateway reaches this machine; give one with "
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
        self._process.stdin.write(f"{token}\n".encode())
        self._process.stdin.flush()
        port = self._process.stdout.readline().decode().strip()
        if not port:
            self.close()
            raise PlatformError(f"results cannot be taken at port {parts.port}; is it free? set callback_url")
        self.callback = f"{parts.scheme}://{parts.hostname}:{port}/callback/{token}"
        self.results = f"http://127.0.0.1:{port}/results/{token}"

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
class AsyncExchange(Exchange):
    """A call that the gateway queues, and whose result it sends to the sink."""

    url: str
    callback: str
    results: str

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        """Return the submission."""
        return HttpRequest(url=self.url, headers={"X-Callback-Url": self.callback}, body=payload)

    def inbox(self) -> Inbox:
        """Return the sink."""
        return SinkInbox(results=self.results)

    def poll(self, answer: HttpAnswer) -> Arrives | Done:
        """Return under which id the gateway accepted it; one that names none was not accepted."""
        if key := answer.headers.get(CALL_ID):
            return Arrives(key=key)
        return Done(status=answer.status, headers=answer.headers, body=answer.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkInbox(Inbox):
    """What the sink holds."""

    results: str

    def ask(self) -> HttpRequest:
        """Return the question, held until there are results."""
        return HttpRequest(url=self.results, method="GET")

    def read(self, answer: HttpAnswer) -> Delivery:
        """Return the results by the ids of their calls."""
        return Delivery(results={item["id"]: _done(item) for item in parse_json(answer.body)})


def _done(item: dict[str, Any]) -> Done:
    headers = item["headers"]
    status = headers.get(STATUS, "")
    return Done(body=base64.b64decode(item["body"]), status=int(status) if status.isdecimal() else 200, headers=headers)


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
    kept: _Results

    def do_POST(self) -> None:
        """Take a result."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != f"/callback/{self.token}" or length > _BYTES:
            self.close_connection = True
            self._say(404, b"")
            return
        headers = {name: self.headers[name] for name in _KEPT if self.headers[name]}
        body = base64.b64encode(self.rfile.read(length)).decode()
        self.kept.add({"id": headers.get(CALL_ID, ""), "headers": headers, "body": body})
        self._say(202, b"")

    def do_GET(self) -> None:
        """Hand out what there is."""
        if self.path != f"/results/{self.token}":
            self._say(404, b"")
            return
        self._say(200, json.dumps(self.kept.take()).encode())

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
    token = sys.stdin.buffer.readline().decode().strip()
    handler = type("Handler", (_Handler,), {"token": token, "kept": _Results()})
    server = _Server((host, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(1, f"{server.server_address[1]}\n".encode())
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
