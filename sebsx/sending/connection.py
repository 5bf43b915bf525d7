"""One TCP connection, with or without TLS, and the request that it carries: one at a time."""

from __future__ import annotations

import select
import selectors
import ssl
from functools import cache
from typing import TYPE_CHECKING

from sebsx.sending.faults import BrokenConnectionError, limit_of, reason
from sebsx.sending.racing import Race

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from sebsx.sending.dialogue import Outgoing
    from sebsx.sending.http1 import AnswerReader
    from sebsx.sending.route import Address, Origin

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

RECEIVE_BYTES = 65536
# The answer of a proxy to CONNECT is a few lines.
_TUNNEL_BYTES = 65536


class Connection:
    """A connection and its request. The client calls `proceed` until it is `ready`, then sends and receives.

    Times are those of `time.perf_counter()`; None for what has not happened.
    """

    __slots__ = (
        "_said",
        "_step",
        "answer",
        "attempts",
        "connected_s",
        "deadline_s",
        "fd",
        "first_byte_s",
        "head",
        "idle_since_s",
        "intended_s",
        "origin",
        "out",
        "peek",
        "race",
        "ready",
        "request",
        "reused",
        "selector",
        "sent_s",
        "sock",
        "uses",
    )  # fmt: skip

    def __init__(self, selector: selectors.BaseSelector, origin: Origin) -> None:
        self.selector = selector
        self.origin = origin
        self.sock: socket.socket | None = None
        self.fd = -1
        self.ready = False
        self.reused = False
        self.request: Outgoing | None = None
        self.head = b""  # of the request, up to its id
        self.intended_s = self.sent_s = self.deadline_s = self.idle_since_s = 0.0
        self.attempts = 1
        self.uses = 0  # requests that it was taken for after the first
        self.connected_s: float | None = None
        self.first_byte_s: float | None = None
        self.answer: AnswerReader | None = None
        self.out: memoryview | None = None  # what could not be sent yet
        self.race: Race | None = None  # while no address has answered
        self._step: Callable[[], bool] = self._finish_tunnel
        self._said = b""
        self.peek: Callable[[int], list[tuple[int, int]]] = _something  # empty where nothing came while idle

    def connect(self, addresses: list[Address], now_s: float) -> None:
        """Begin to connect to the first address that can be tried.

        Raises:
            BrokenConnectionError: If none can.
        """
        self.race = Race(self.selector, self, self._where, addresses)
        self.race.advance(now_s)

    def proceed(self, fd: int, now_s: float) -> bool:
        """Go on after a socket of it became readable or writable, and tell whether the connection stands now.

        Raises:
            BrokenConnectionError: If it does not and never will.
        """
        try:
            if self.race is not None:
                won = self.race.proceed(fd, now_s)
                if won is None:
                    return False
                self.race, self.sock, self.fd = None, won[0], fd
                self.origin.reached(won[1])
                self.ready = self._connected()
            elif fd == self.fd and self.sock is not None:
                self.ready = self._step()
        except (ssl.SSLWantReadError, BlockingIOError):
            self.watch(READ)
        except ssl.SSLWantWriteError:
            self.watch(WRITE)
        except BrokenConnectionError:
            raise
        except OSError as exc:
            why = f"could not connect to {self._where}: {reason(exc)}"
            raise BrokenConnectionError(why, limit_of(exc.errno)) from exc
        return self.ready

    def watch(self, events: int) -> None:
        """Ask the selector for these events."""
        self.selector.modify(self.fd, events, self)

    def gone(self) -> bool:
        """Tell whether an idle connection cannot carry a request: its server closed it, or spoke without being asked.

        What is found here was so before anything of the next request was written.
        """
        if self.sock is None:
            return True
        if self.peek is _something:
            poll = select.poll()
            poll.register(self.fd, select.POLLIN)
            self.peek = poll.poll
        if not self.peek(0):
            return False
        try:
            self.sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False  # a matter of TLS, such as a ticket for its next session
        except OSError:
            pass
        return True

    def close(self) -> None:
        """Close it. A second call is harmless."""
        race, self.race = self.race, None
        if race is not None:
            race.close()
        sock, self.sock = self.sock, None
        if sock is not None:
            self.selector.unregister(self.fd)
            sock.close()

    @property
    def _where(self) -> str:
        return "{}:{}".format(*self.origin.connect_to)

    def _connected(self) -> bool:
        """Go on where TCP stands."""
        assert self.sock is not None
        if self.origin.tunnel is None:
            return self._stands()
        self.sock.sendall(self.origin.tunnel)
        self.watch(READ)
        return False

    def _finish_tunnel(self) -> bool:
        assert self.sock is not None
        data = self.sock.recv(RECEIVE_BYTES)
        self._said += data
        if b"\r\n\r\n" not in self._said:
            if data and len(self._said) < _TUNNEL_BYTES:
                return False
            did = "said no end" if data else "closed the connection"
            raise BrokenConnectionError(f"could not connect: the proxy {self._where} {did}")
        if self._said[9:10] != b"2":
            line = self._said.partition(b"\r\n")[0].decode("latin-1")
            raise BrokenConnectionError(f"could not connect: the proxy {self._where} refused with {line[:200]!r}")
        return self._stands()

    def _stands(self) -> bool:
        assert self.sock is not None
        if not self.origin.secure:
            self.watch(READ)
            return True
        self.sock = trusting(self.origin.certificates).wrap_socket(
            self.sock, server_hostname=self.origin.host, do_handshake_on_connect=False
        )
        self._step = self._finish_handshake
        return self._finish_handshake()

    def _finish_handshake(self) -> bool:
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock.do_handshake()
        self.watch(READ)
        return True


def _something(_timeout_ms: int) -> list[tuple[int, int]]:
    """Stand for a look at a connection that nobody has looked at yet."""
    return [(-1, select.POLLIN)]


@cache
def trusting(certificates: str = "") -> ssl.SSLContext:
    """Return the client's side of TLS, which trusts whom this machine (or `SSL_CERT_FILE`) trusts; made once.

    Args:
        certificates: Of others that are trusted, as PEM.
    """
    context = ssl.create_default_context()
    if certificates:
        context.load_verify_locations(cadata=certificates)
    context.set_alpn_protocols(["http/1.1"])
    return context
