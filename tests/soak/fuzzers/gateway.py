"""What clients and functions send to the local gateway: requests, pieces of them, and the Runtime API misused."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from tests.sandboxes.conftest import ECHO, Harness, run_gateway
from tests.sandboxes.test_bounds import resident_bytes
from tests.soak.fuzzing import Check, Fuzzer, in_pieces, spliced

# Sends what it is told to the Runtime API, as a function may, before it answers.
SPEAKING = """
    import os, socket
    def handler(event, context):
        host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
        words = event["words"].replace("REQUEST", context.aws_request_id).encode("latin-1")
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(words)
            connection.settimeout(0.02)
            try:
                connection.recv(4096)
            except OSError:
                pass
        return "spoken"
"""
_PATHS = (
    "/invoke/d0",
    "/invoke/",
    "/invoke/x",
    "/control/state",
    "/control/deploy",
    "/control/__init__",
    "/",
    "*",
    "http://a/b",
    "/invoke/d0?x",
    "/%00",
    "/invoke/d0/../d0",
    "//",
    "/control/\xff",
)
_RUNTIME = "/2018-06-01/runtime/"
_RUNTIME_PATHS = tuple(
    _RUNTIME + path
    for path in (
        "invocation/next",
        "init/error",
        "invocation/REQUEST/response",
        "invocation/REQUEST/error",
        "invocation//response",
        "invocation/x/response",
        "invocation/REQUEST",
        "invocation/REQUEST/error/x",
    )
)
_METHODS = ("POST", "GET", "PUT", "HEAD", "CONNECT", "PRI", "M-SEARCH", "")
_HEADERS = st.sampled_from(
    (
        "Host: 127.0.0.1",
        "Host: evil.example",
        "Host: ",
        "Origin: null",
        "Content-Length: 0",
        "Content-Length: 2",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: 7000000",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: x",
        "Expect: 100-continue",
        "Connection: close",
        "Connection: upgrade",
        "Upgrade: h2c",
        "X-Sebsx-Request-Id: a",
        "X-Sebsx-Request-Id: ",
        "X-Sebsx-Request-Id: \x01",
        "X-Sebsx-Token: x",
        "X-Sebsx-Token: \xff",
        "Lambda-Runtime-Function-Error-Type: MemoryError",
        "Lambda-Runtime-Function-Error-Type: \xff",
        "x",
        ": y",
        " folded",
    )
) | st.text(st.characters(max_codepoint=255), max_size=10)
_BODIES = st.sampled_from(
    ("", "{}", "[" * 500, "2\r\n{}\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "x" * 70_000, '{"a": "\xff"}')
)


def _requests(paths: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    request = st.builds(
        lambda method, path, version, headers, body: "\r\n".join((f"{method} {path}{version}", *headers, "", body)),
        st.sampled_from(_METHODS),
        st.sampled_from(paths),
        st.sampled_from((" HTTP/1.1", " HTTP/1.0", " HTTP/2.0", "", " HTTP/9.9")),
        st.lists(_HEADERS, max_size=4),
        _BODIES,
    )
    return spliced(st.lists(request, min_size=1, max_size=4).map(lambda texts: "".join(texts).encode("latin-1")))


_ENDS = st.sampled_from(("wait", "half", "close", "reset"))
INPUTS = st.one_of(
    *[st.tuples(in_pieces(_requests(_PATHS)), _ENDS)] * 3,
    st.tuples(_requests(_RUNTIME_PATHS).map(lambda data: (data,)), st.just("function")),
)
_MOST_BYTES = 96 * 2**20
_WAIT_S = 0.03


class Talking:
    """Speaks to a running gateway, and looks whether it still serves everybody else."""

    def __init__(self, harness: Harness, folder: Path) -> None:
        self._harness = harness
        self._log = folder / "gateway.log"
        self._good = harness.deploy(ECHO)
        self._speaking = harness.deploy(SPEAKING, timeout_s=1.0)
        self._serves()
        self._before_bytes = resident_bytes(harness.gateway.pid)

    def __call__(self, told: tuple[tuple[bytes, ...], str]) -> None:
        pieces, then = told
        if then == "function":
            answer = self._harness.call(self._speaking, {"words": b"".join(pieces).decode("latin-1")})
            assert answer.code in (200, 500, 502, 504, 507), answer
        else:
            self._send(pieces, then)
        self._serves()
        grown_bytes = resident_bytes(self._harness.gateway.pid) - self._before_bytes
        assert grown_bytes < _MOST_BYTES, f"the gateway grew by {grown_bytes} bytes"
        log = self._log.read_text(encoding="utf-8", errors="replace")
        assert "Traceback" not in log, log[-3000:]

    def _send(self, pieces: tuple[bytes, ...], then: str) -> None:
        with socket.create_connection(("127.0.0.1", self._harness.gateway.port), timeout=5) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError), _gone():
                for piece in pieces:
                    connection.sendall(piece)
                if then == "half":
                    connection.shutdown(socket.SHUT_WR)
                    _read_to_the_end(connection)  # whoever says no more is not kept
                elif then == "wait":
                    connection.settimeout(_WAIT_S)
                    with contextlib.suppress(TimeoutError):
                        _read_to_the_end(connection)
            if then == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _serves(self) -> None:
        answer = self._harness.call(self._good, {"a": 1})
        assert (answer.code, answer.json["output"]) == (200, {"a": 1}), answer


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@contextmanager
def _gone() -> Iterator[None]:
    """Pass over a connection that the other side has closed by now."""
    try:
        yield
    except OSError as exc:
        if exc.errno != errno.ENOTCONN:
            raise


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    for harness in run_gateway(folder):
        yield Talking(harness, folder)


FUZZER = Fuzzer(
    name="gateway",
    promise="whatever a client or a function sends, the gateway serves all others, and holds no more memory",
    inputs=INPUTS,
    opened=opened,
)
