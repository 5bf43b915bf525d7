"""One TCP connection, with or without TLS, and the request that it carries: one at a time."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.sending.client import Request
    from sebsx.sending.http1 import Answer
    from sebsx.sending.route import Address, Origin

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

RECEIVE_BYTES = 65536
_CONNECTING = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class BrokenConnectionError(OSError):
    """The connection cannot be used any more; the message says why."""


class Connection:
    """A connection and its request. The client calls `proceed` until it is `ready`, then sends and receives.

    Times are those of `time.perf_counter()`; None for what has not happened.
    """

    __slots__ = (
        "_addresses",
        "_said",
        "_step",
        "_why",
        "answer",
        "connected_s",
        "deadline_s",
        "fd",
        "first_byte_s",
        "intended_s",
        "origin",
        "out",
        "ready",
        "request",
        "reused",
        "selector",
        "sent_s",
        "sock",
    )  # fmt: skip

    def __init__(self, selector: selectors.BaseSelector, origin: Origin) -> None:
        self.selector = selector
        self.origin = origin
        self.sock: socket.socket | None = None
        self.fd = -1
        self.ready = False
        self.reused = False
        self.request: Request | None = None
        self.intended_s = self.sent_s = self.deadline_s = 0.0
        self.connected_s: float | None = None
        self.first_byte_s: float | None = None
        self.answer: Answer | None = None
        self.out: memoryview | None = None  # what could not be sent yet
        self._addresses: Iterator[Address] = iter(())
        self._step = self._finish_connect
        self._said = b""
        self._why = "no address"

    def connect(self, addresses: list[Address]) -> None:
        """Begin to connect to the first address that can be tried.

        Raises:
            BrokenConnectionError: If none can.
        """
        self._addresses = iter(addresses)
        self._connect_next()

    def proceed(self) -> bool:
        """Go on after the socket became readable or writable, and tell whether the connection stands now.

        Raises:
            BrokenConnectionError: If it does not and never will.
        """
        try:
            self.ready = self._step()
        except (ssl.SSLWantReadError, BlockingIOError):
            self.watch(READ)
        except ssl.SSLWantWriteError:
            self.watch(WRITE)
        except BrokenConnectionError:
            raise
        except OSError as exc:
            raise BrokenConnectionError(f"could not connect to {self._where}: {_reason(exc)}") from exc
        return self.ready

    def watch(self, events: int) -> None:
        """Ask the selector for these events."""
        self.selector.modify(self.fd, events, self)

    def close(self) -> None:
        """Close it. A second call is harmless."""
        sock, self.sock = self.sock, None
        if sock is not None:
            self.selector.unregister(self.fd)
            sock.close()

    @property
    def _where(self) -> str:
        return "{}:{}".format(*self.origin.connect_to)

    def _connect_next(self) -> None:
        for family, address in self._addresses:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as exc:
                self._why = _reason(exc)
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(address)
            if code in _CONNECTING:
                self.sock, self.fd, self._step = sock, sock.fileno(), self._finish_connect
                self.selector.register(self.fd, WRITE, self)
                return
            sock.close()
            self._why = os.strerror(code)
        raise BrokenConnectionError(f"could not connect to {self._where}: {self._why}")

    def _finish_connect(self) -> bool:
        assert self.sock is not None
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._why = os.strerror(code)
            self.close()
            self._connect_next()
            return False
        if self.origin.tunnel is not None:
            self.sock.sendall(self.origin.tunnel)
            self._step = self._finish_tunnel
            self.watch(READ)
            return False
        return self._stands()

    def _finish_tunnel(self) -> bool:
        assert self.sock is not None
        data = self.sock.recv(RECEIVE_BYTES)
        self._said += data
        if b"\r\n\r\n" not in self._said:
            if data:
                return False
            raise BrokenConnectionError(f"could not connect: the proxy {self._where} closed the connection")
        if self._said[9:10] != b"2":
            line = self._said.partition(b"\r\n")[0].decode("latin-1")
            raise BrokenConnectionError(f"could not connect: the proxy {self._where} refused with {line!r}")
        return self._stands()

    def _stands(self) -> bool:
        assert self.sock is not None
        if not self.origin.secure:
            self.watch(READ)
            return True
        self.sock = trusting().wrap_socket(self.sock, server_hostname=self.origin.host, do_handshake_on_connect=False)
        self._step = self._finish_handshake
        return self._finish_handshake()

    def _finish_handshake(self) -> bool:
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock.do_handshake()
        self.watch(READ)
        return True


@cache
def trusting() -> ssl.SSLContext:
    """Return the client's side of TLS, which trusts whom this machine (or `SSL_CERT_FILE`) trusts; made once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {exc.verify_message}"
    return exc.strerror or str(exc)
