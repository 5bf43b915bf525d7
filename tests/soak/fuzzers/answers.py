"""What servers send: whole answers of HTTP and pieces of them, byte by byte or at once, and what they do afterwards."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from sebsx.contracts.schedules import Closed
from sebsx.sending.client import HttpClient
from sebsx.sending.dialogue import Outgoing
from sebsx.sending.http1 import MOST_BYTES, AnswerReader, whole
from tests.soak.fuzzing import Check, Fuzzer, in_pieces, spliced

_STATUS_LINES = st.sampled_from(
    (
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 x",
        b"HTTP/1.1 429 ",
        b"HTTP/1.1 502",
        b"HTTP/1.1 999 y",
        b"HTTP/1.1 -20 z",
        b"HTTP/2 200",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 2000 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 +20 x",
        b"HTTP/1.1 2_0 x",
    )
)
_LENGTHS = st.integers(-2, 9).map(str) | st.sampled_from(("2", "+2", " 2 ", "0x2", "2, 2", "9" * 30, "1_0", "", "2.0"))
_HEADERS = st.one_of(
    _LENGTHS.map(lambda length: b"Content-Length: " + length.encode()),
    st.sampled_from(
        (
            b"Transfer-Encoding: chunked",
            b"transfer-encoding: gzip, chunked",
            b"Connection: close",
            b"connection:  Close",
            b"Connection: upgrade",
            b"Upgrade: h2c",
            b"Keep-Alive: x",
            b"Content-Encoding: gzip",
            b" folded",
            b":",
            b"x-y",
        )
    ),
    st.binary(max_size=12),
)
_BODIES = st.sampled_from(
    (b"", b"hi", b"2\r\nhi\r\n0\r\n\r\n", b"2;x=y\r\nhi\r\n0\r\nT: u\r\n\r\n", b"-1\r\n", b"F" * 17 + b"\r\n", b"{}")
) | st.binary(max_size=20)
_ANSWERS = st.builds(
    lambda first, headers, end, body: b"\r\n".join([first, *headers]) + end + body,
    _STATUS_LINES,
    st.lists(_HEADERS, max_size=4),
    st.sampled_from((b"\r\n\r\n", b"\n\n", b"\r\n")),
    _BODIES,
)
_STREAMS = st.lists(_ANSWERS, min_size=1, max_size=3).map(b"".join)
SCRIPTS = st.tuples(in_pieces(spliced(_STREAMS)), st.sampled_from(("keep", "keep", "close", "reset")))

_CALLS = 2
_TIMEOUT_S = 0.1


class Server:
    """Answers each request of any connection with the script of the moment."""

    def __init__(self) -> None:
        self.script: tuple[tuple[bytes, ...], str] = ((), "close")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, self.script), daemon=True).start()

    def _serve(self, connection: socket.socket, script: tuple[tuple[bytes, ...], str]) -> None:
        pieces, then = script
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(5)
            while connection.recv(65536):
                for piece in pieces:
                    connection.sendall(piece)
                if then == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if then != "keep":
                    return


def _agree(data: bytes) -> None:
    """Hold that an answer that is read at a glance is what the whole parser reads."""
    glance = whole(data)
    if glance is None:
        return
    status, _, body = glance
    answer = AnswerReader(MOST_BYTES)
    try:
        answer.feed(data)
    except ValueError:
        return  # it is strict with the names of headers, too, which change nothing here
    assert (answer.complete, answer.status, answer.body) == (True, status, body)


@contextmanager
def opened(_folder: Path) -> Iterator[Check]:
    server = Server()

    def check(script: tuple[tuple[bytes, ...], str]) -> None:
        _agree(b"".join(script[0]))
        server.script = script
        with HttpClient() as client:
            replies = list(
                client.drive(
                    Closed(_CALLS), lambda number: Outgoing(server.url, b"{}", f"id-{number}", timeout_s=_TIMEOUT_S)
                )
            )
        assert sorted(reply.request_id for reply in replies) == [f"id-{number}" for number in range(_CALLS)]
        for reply in replies:
            assert (reply.http_status is None) == (reply.error is not None)
            assert reply.intended_s <= reply.sent_s <= reply.done_s
            assert all(isinstance(words, str) for pair in reply.headers.items() for words in pair)

    try:
        yield check
    finally:
        server.close()


FUZZER = Fuzzer(
    name="answers",
    promise="whatever a server sends, each call ends in one reply, and no drive ends in anything else",
    inputs=SCRIPTS,
    opened=opened,
)
