"""A server on loopback that stands for somebody's live endpoint, with service times that are known."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_ENVELOPE = {"v": 1, "sandbox": "ab" * 16, "call": 2, "duration_s": 0.001}


class Endpoint:
    """Answers by path: `/sleep/MS`, `/status/CODE`, `/redirect`, `/echo`, `/text`, `/empty`, `/error`, `/sebsx`.

    Attributes:
        seen: Every request as (method, path, headers, body).
        fails_after: Of how many requests on all are throttled; None for never.
        took_s: Time that the server had each request for, by what it slept in ms.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.took_s: dict[int, list[float]] = {}
        self.fails_after: int | None = None
        self.in_flight_max = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:  # the library's name
                """Answer."""
                endpoint._serve(self)

            def do_POST(self) -> None:  # the library's name
                """Answer."""
                endpoint._serve(self)

            def do_PUT(self) -> None:  # the library's name
                """Answer."""
                endpoint._serve(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        began_s = time.perf_counter()
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self._in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self._in_flight)
            self.seen.append((handler.command, handler.path, dict(handler.headers), body))
        throttled = self.fails_after is not None and len(self.seen) > self.fails_after
        words = ["status", "429"] if throttled else handler.path.partition("?")[0].strip("/").split("/")
        status, headers, answer = self._answer(words, body)
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer)
        handler.wfile.flush()
        with self._lock:
            self._in_flight -= 1
            if body.startswith(b'{"ms"'):
                self.took_s.setdefault(json.loads(body)["ms"], []).append(time.perf_counter() - began_s)

    def _answer(self, words: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        kind = words[0]
        if kind == "sleep":
            time.sleep(json.loads(body)["ms"] / 1000)
            return 200, {}, json.dumps({"slept": json.loads(body)["ms"], "more": [1, 2]}).encode()
        if kind == "status":
            return int(words[1]), {}, b"<h1>not  here</h1>"
        if kind == "redirect":
            return 302, {"Location": "/sleep/1?key=secret"}, b""
        found = {
            "text": b"hello", "empty": b"", "error": b'{"error": "it is a word of mine"}', "output": b'{"output": 1}',
            "sebsx": json.dumps({"sebsx": _ENVELOPE, "output": {"a": 1}}).encode(),
        }  # fmt: skip
        return 200, {}, found[kind]
