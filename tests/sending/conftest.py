from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from sebsx.sending.connection import trusting


class Echo(BaseHTTPRequestHandler):
    """Answers with the body; a body that is a number is slept first; `drop` closes without an answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"drop":
            self.close_connection = True
            return
        with contextlib.suppress(ValueError):
            time.sleep(float(body))
        self.send_response(429 if body == b"busy" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Request", self.headers["X-Sebsx-Request-Id"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_args: object) -> None:
        """A client that gives up is part of the tests."""


class Scripted:
    """A server of raw TCP: for each connection in turn a list of steps, each waiting for one request.

    A step is the bytes to answer with; `b""` closes without an answer. The connection is closed after the last step.
    """

    def __init__(self, *connections: list[bytes], context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._connections = connections
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        for steps in self._connections:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
                stack.enter_context(connection)
                self._answer(connection, steps, stack)

    def _answer(self, connection: socket.socket, steps: list[bytes], stack: contextlib.ExitStack) -> None:
        for step in steps:
            request = self._read(connection)
            self.requests.append(request)
            connection.sendall(step)
            if request.startswith(b"CONNECT") and self._context is not None:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                raise OSError("closed")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head.lower())
        while found and len(body) < int(found[1]):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, self-signed, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost,DNS:far.example",
               "-keyout", str(folder / "key"), "-out", str(folder / "certificate")]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    path = folder / "both.pem"
    path.write_text((folder / "key").read_text() + (folder / "certificate").read_text())
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The server's side of TLS; clients made meanwhile trust its certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusting.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield context
    trusting.cache_clear()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
