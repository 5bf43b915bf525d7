"""One invocation over the AWS Lambda Runtime API (2018-06-01), which every sebsx bootstrap speaks."""

from __future__ import annotations

import subprocess
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_POLL_S = 0.05
_EXITED = b'{"error": {"type": "Exited", "message": "the process ended without an answer"}}'


class _Server(HTTPServer):
    """Hands out one event and keeps one answer."""

    timeout = _POLL_S

    def __init__(self, event: bytes, request_id: str, timeout_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.event, self.request_id = event, request_id
        self.deadline_s = time.time() + timeout_s
        self.answer: tuple[int, bytes] | None = None


class _Exchange(BaseHTTPRequestHandler):
    """A kept connection: the event is asked for once, then answered."""

    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Wait on the connection no longer than until the deadline."""
        self.timeout = max(self.server.deadline_s - time.time(), _POLL_S)
        super().setup()

    def do_GET(self) -> None:
        """Answer `/invocation/next` with the event."""
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", self.server.request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(self.server.deadline_s * 1000)))
        self.send_header("Content-Length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        """Keep what comes to `/response` or `/error`, and end the conversation."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answer = (200, body)  # an error is an envelope too: the core tells them apart
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by the base class
        """Be quiet."""


def run_once(
    command: Sequence[str],
    event: bytes,
    *,
    request_id: str,
    timeout_s: float,
    environment: Mapping[str, str],
    folder: Path,
) -> tuple[int, bytes]:
    """Start a bootstrap, let it handle one event, end it, and return HTTP status and body.

    Returns:
        200 and the envelope; 504 if there was no answer in time; 502 if the process ended without one.
    """
    with _Server(event, request_id, timeout_s) as server:
        variables = {**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"}
        with subprocess.Popen(
            command, env=variables, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                while server.answer is None and process.poll() is None and time.time() < server.deadline_s:
                    server.handle_request()
            finally:
                process.kill()
        if server.answer is not None:
            return server.answer
        return (504, b"{}") if time.time() >= server.deadline_s else (502, _EXITED)
