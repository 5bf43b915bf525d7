"""The process that takes the results of asynchronous calls."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

from sebsx.clouds.callbacks import CallbackHeaders, CallbackSink
from sebsx.contracts.senders import HttpAnswer, HttpRequest

HEADERS = CallbackHeaders(id="x-id", status="x-status", kept=("x-more",))


def asked(request: HttpRequest) -> bytes:
    wanted = urllib.request.Request(request.url, data=request.body or None, headers=dict(request.headers))
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(wanted, timeout=30) as answer:
        return bytes(answer.read())


def test_results_are_taken_by_a_process_that_ctrl_c_spares_and_whose_token_nobody_sees() -> None:
    with CallbackSink("http://127.0.0.1:0", HEADERS) as sink:
        pid, token = sink._process.pid, sink.callback.rpartition("/")[2]
        assert os.getsid(pid) == pid
        assert token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        for name, status in (("a", "500"), ("b", "")):
            told = {"X-Id": name, "X-Status": status, "X-More": "1", "X-Other": "2"}
            asked(HttpRequest(url=sink.callback, headers=told, body=json.dumps(name).encode()))
        question = sink.inbox.ask()
        body = asked(question)
        delivery = sink.inbox.read(
            HttpAnswer(request=question, request_id="", status=200, headers={}, body=body, polls=1)
        )
        assert {key: (done.status, done.body) for key, done in delivery.results.items()} == {
            "a": (500, b'"a"'), "b": (200, b'"b"'),
        }  # fmt: skip
        assert dict(delivery.results["a"].headers) == {"x-id": "a", "x-status": "500", "x-more": "1"}
