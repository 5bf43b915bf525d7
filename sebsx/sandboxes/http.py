"""HTTP/1.1 for the gateway: a server protocol over httptools, one request at a time per connection."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable

_REASONS = {
    200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 413: "Payload Too Large",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    502: "Bad Gateway", 504: "Gateway Timeout", 507: "Insufficient Storage",
}  # fmt: skip
_STATUS_LINES = {code: f"HTTP/1.1 {code} {reason}\r\n" for code, reason in _REASONS.items()}

_PIPELINED = 64  # more requests than this ahead of their answers is not a client of ours
# More than this before the next piece of a body is not from a client of ours.
_HEAD_BYTES = 64 * 1024
_PATH_BYTES = 4096
# What anybody here asks for; all other headers are dropped as they come.
_KEPT = frozenset({b"host", b"origin", b"x-sebsx-request-id", b"x-sebsx-token", b"lambda-runtime-function-error-type"})
_VALUE_BYTES = 1024


class Request:
    """One request: method, path, the headers asked for, the body, and whether it was too large to keep."""

    __slots__ = ("body", "headers", "method", "path", "too_large")

    def __init__(self, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes, too_large: bool) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.too_large = too_large


class HttpProtocol(asyncio.Protocol):
    """A server's side of one connection.

    `handle(request, protocol)` is called for one request at a time; it, or somebody later, calls `respond`
    once. Requests that are pipelined wait. A response given while input is being read is sent together with
    those that follow at once.

    Args:
        handle: Takes each request.
        body_bytes: Largest body kept; a larger one is read, dropped and marked.
        on_lost: Called when the connection is gone.

    Everything that comes in has a bound: what comes before a body, the body, requests ahead of their answers, and the
    headers that are kept.
    """

    def __init__(
        self,
        handle: Callable[[Request, HttpProtocol], None],
        body_bytes: int,
        on_lost: Callable[[HttpProtocol], None] | None = None,
    ) -> None:
        self._handle = handle
        self._body_bytes = body_bytes
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._reading = False
        self._held: list[bytes] = []
        self._close_after = False
        self._path = b""
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._pending_bytes = 0  # came since the last piece of a body, or the last head
        self._waiting_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio and uvloop set TCP_NODELAY by themselves."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if self._close_after:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was waiting."""
        self._transport = None
        self._waiting.clear()
        self._parts.clear()
        if self._on_lost is not None:
            self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        """Parse, handle what is complete, and send what was answered meanwhile."""
        if self._close_after:  # what comes after the last request is nobody's
            return
        self._reading = True
        self._pending_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._malformed()
        else:
            if self._pending_bytes > _HEAD_BYTES or len(self._path) > _PATH_BYTES:
                self._refuse_head()
        self._reading = False
        self._flush()

    def respond(self, code: int, body: bytes, headers: str = "") -> None:
        """Answer the request in hand and take the next.

        Args:
            code: HTTP status.
            body: JSON.
            headers: Further header lines, each ending in CRLF.
        """
        head = f"{_STATUS_LINES[code]}{headers}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._held.append(head.encode("latin-1") + body)
        self._busy = False
        if self._waiting:
            request = self._waiting.popleft()
            self._waiting_bytes -= len(request.body)
            self._take(request)
        if not self._reading:
            self._flush()

    def refuse(self) -> None:
        """Close the connection as soon as it is made."""
        self._close_after = True

    def close(self) -> None:
        """Close the connection after what was answered."""
        if self._transport is not None:
            self._transport.close()

    @property
    def is_open(self) -> bool:
        """Whether the other side is still there."""
        return self._transport is not None and not self._transport.is_closing()

    def on_message_begin(self) -> None:
        """Start a request (httptools)."""
        self._headers = {}
        self._parts = []
        self._path = b""
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target (httptools)."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header that somebody asks for; names are kept in lower case (httptools)."""
        name = name.lower()
        if name in _KEPT:
            self._headers[name] = value[:_VALUE_BYTES]
        if name == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        """Count from here on to the next piece (httptools)."""
        self._pending_bytes = 0

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body, up to the limit (httptools)."""
        self._pending_bytes = 0
        self._size += len(data)
        if self._size <= self._body_bytes:
            self._parts.append(data)
        else:
            self._parts.clear()

    def on_message_complete(self) -> None:
        """Handle the request, or let it wait (httptools)."""
        self._pending_bytes = 0
        parts, self._parts = self._parts, []
        request = Request(
            self._parser.get_method(),
            self._path,
            self._headers,
            parts[0] if len(parts) == 1 else b"".join(parts),
            self._size > self._body_bytes,
        )
        if not self._parser.should_keep_alive():
            self._close_after = True
        if self._busy:
            self._waiting.append(request)
            self._waiting_bytes += len(request.body)
            if len(self._waiting) > _PIPELINED or self._waiting_bytes > self._body_bytes:
                self.close()
        else:
            self._take(request)

    def _take(self, request: Request) -> None:
        self._busy = True
        self._handle(request, self)

    def _malformed(self) -> None:
        self._close_after = True
        self._waiting.clear()
        if not self._busy:
            self.respond(400, b'{"error":{"type":"Sebsx.Malformed","message":"this is not HTTP/1.1","traceback":""}}')

    def _refuse_head(self) -> None:
        """Answer a head that is too large, and hear no more."""
        self._close_after = True
        self._waiting.clear()
        self._headers, self._path = {}, b""
        if not self._busy:
            self.respond(431, b'{"error":{"type":"Sebsx.HeadTooLarge","message":"too large","traceback":""}}')

    def _flush(self) -> None:
        if self._held and not self._busy:  # busy: a pipelined request is in hand, its answer goes along
            held, self._held = self._held, []
            if self.is_open:
                assert self._transport is not None
                self._transport.write(held[0] if len(held) == 1 else b"".join(held))
        if self._close_after and not self._busy:
            self.close()
