"""Answers of HTTP/1.1, from bytes: whole ones at a glance, all others through httptools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httptools

# Ten times what Lambda answers at most, and twice what Cloud Run does over HTTP/1 (32 MiB; cloud.google.com/run/quotas,
# read 2026-11). A server that sends without end costs one invocation, not the machine's memory.
MOST_BYTES = 64 * 2**20
# Three times what curl takes; a line without end is copied with each piece that it grows by.
MOST_HEAD_BYTES = 2**20
_LENGTH_DIGITS = 16


class Headers(Mapping[str, str]):
    """Headers by lower-case name, found or parsed when asked for: most answers are asked for one at most.

    Args:
        raw: From the status line up to the empty line.
        low: The same in lower case, where that is known already.
    """

    __slots__ = ("_low", "_parsed", "_raw")

    def __init__(self, raw: bytes, low: bytes | None = None) -> None:
        self._raw = raw
        self._low = raw.lower() if low is None else low
        self._parsed: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        value = self._find(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return the last header of a name, `default` where there is none."""
        value = self._find(name)
        return default if value is None else value

    def _find(self, name: str) -> str | None:
        if self._parsed is not None:
            return self._parsed.get(name)
        at = self._low.rfind(b"\r\n%b:" % name.encode("latin-1"))
        if at < 0:
            return self._all().get(name)  # it may be written in an odd way
        begin, end = at + len(name) + 3, self._raw.find(b"\r\n", at + 2)
        return (self._raw[begin:] if end < 0 else self._raw[begin:end]).decode("latin-1").strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[str, str]:
        if self._parsed is None:
            pairs = (line.partition(":") for line in self._raw.decode("latin-1").split("\r\n")[1:])
            self._parsed = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return self._parsed


def whole(data: bytes) -> tuple[int, Headers, bytes] | None:
    """Return status, headers and body if `data` is exactly one answer of known length on an open connection.

    None does not mean that it is wrong: `AnswerReader` finds out.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or not data.startswith(b"HTTP/1.1 "):
        return None
    head = data[:end]
    low = head.lower()
    at = low.find(b"\r\ncontent-length:")
    if at < 0 or b"\r\ntransfer-encoding:" in low or b"\r\nconnection: close" in low:
        return None
    line_end = low.find(b"\r\n", at + 17)
    digits = (low[at + 17 :] if line_end < 0 else low[at + 17 : line_end]).strip(b" \t")
    code = data[9:12]
    # Signs and underscores are digits for `int` alone, and of two lengths none is right.
    if not (code.isdigit() and digits.isdigit() and len(digits) < _LENGTH_DIGITS):
        return None
    if low.find(b"\r\ncontent-length:", at + 17) >= 0:
        return None
    status, length = int(code), int(digits)
    if status < 200 or status in (204, 304) or len(data) - end - 4 != length:
        return None
    return status, Headers(head, low), data[end + 4 :]


class AnswerReader:
    """One answer that comes in pieces, chunks, or until the connection is closed.

    Args:
        most_bytes: An answer that is longer, head included, is refused.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = most_bytes
        self._most_bytes = most_bytes
        self._head_bytes = 0
        self.headers: dict[str, str] = {}
        self.status = 0
        self.complete = False
        self.stays_open = False
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take a piece.

        Raises:
            ValueError: If it is not HTTP, or too long.
        """
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise ValueError(f"the answer is longer than {self._most_bytes} bytes")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            if self.complete:  # what follows a whole answer belongs to no request of ours
                self.stays_open = False
                return
            raise ValueError(f"the answer is not HTTP/1.1: {exc}") from exc
        if self.status < 200:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                raise ValueError(f"the answer has more than {MOST_HEAD_BYTES} bytes of headers")

    def end(self) -> bool:
        """Tell whether the answer is complete now that the connection is closed."""
        unbounded = self.status and not {"content-length", "transfer-encoding"} & self.headers.keys()
        return self.complete or bool(unbounded)

    @property
    def body(self) -> bytes:
        """What came after the head."""
        return b"".join(self._parts)

    def on_message_begin(self) -> None:
        """Start an answer (httptools); a second one is not ours."""
        if self.complete:
            raise ValueError("more bytes than the answer has")
        self.headers, self.status = {}, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header (httptools)."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """Take the status (httptools)."""
        self.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body (httptools)."""
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """End the answer, unless it only announced another (httptools)."""
        if self.status >= 200:
            self.complete = True
            self.stays_open = self._parser.should_keep_alive()
