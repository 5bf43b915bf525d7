"""What clients inside functions have in common: a host may serve several calls at once."""

from __future__ import annotations

import http.server
import importlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import pytest

AT_ONCE = 3


class Meeting(http.server.BaseHTTPRequestHandler):
    """Answers when as many requests are there as there are threads that ask."""

    protocol_version = "HTTP/1.1"
    together = threading.Barrier(AT_ONCE)

    def do_GET(self) -> None:
        self.together.wait(20)
        data = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Path", self.path)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def test_threads_ask_at_once_and_each_gets_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(files("sebsx.clouds") / "wrapper"))
    monkeypatch.delitem(sys.modules, "sebsx_wrapper_http", raising=False)
    module = importlib.import_module("sebsx_wrapper_http")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Meeting)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    service = module.HttpService("nowhere", f"http://127.0.0.1:{server.server_port}")

    def ask(number: int) -> tuple[bytes, str]:
        _, data = service.ask("GET", f"/{number}")
        told = data, service.answered["X-Path"]
        service._close()
        return told

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(ask, range(AT_ONCE)))
    server.shutdown()
    server.server_close()
    sys.modules.pop("sebsx_wrapper_http", None)
    assert found == [(f"/{number}".encode(), f"/{number}") for number in range(AT_ONCE)]
