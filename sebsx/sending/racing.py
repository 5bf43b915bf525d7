"""Connects to whichever address of a server answers first: happy eyeballs (RFC 8305)."""

from __future__ import annotations

import errno
import selectors
import socket
from typing import TYPE_CHECKING

from sebsx.sending.faults import BrokenConnectionError, limit_of, reason, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sebsx.sending.route import Address

# RFC 8305, section 5: "Connection Attempt Delay", recommended 250 ms.
ATTEMPT_DELAY_S = 0.25

# A long call is silent for minutes: NAT gateways forget a silent connection after 350 s (AWS, docs.aws.amazon.com/vpc,
# "NAT gateway basics") or 240 s (Azure load balancer, "TCP reset and idle timeout"), read 2026-11.
_KEEPALIVE_IDLE_S = 45
_KEEPALIVE_INTERVAL_S = 15
_KEEPALIVE_PROBES = 8


class Race:
    """Opens connections to addresses in turn, each a little after the one before or when that has failed.

    Args:
        selector: Hears when a connection is there, or has failed.
        owner: What the selector hands back for each of them.
        where: The server in words, for messages.
        addresses: Those of the server, in the order in which they are tried.

    Attributes:
        next_s: When the next address is tried though the last has not failed; None when there is no other.
    """

    def __init__(
        self, selector: selectors.BaseSelector, owner: object, where: str, addresses: Iterable[Address]
    ) -> None:
        self.next_s: float | None = None
        self._selector = selector
        self._owner = owner
        self._where = where
        self._waiting = list(addresses)
        self._open: dict[int, tuple[socket.socket, Address]] = {}
        self._why = "no address"
        self._limit: str | None = None

    def advance(self, now_s: float) -> None:
        """Try the next address.

        Raises:
            BrokenConnectionError: If there is none, and no attempt is under way.
        """
        while self._waiting:
            address = self._waiting.pop(0)
            if self._begin(address):
                self.next_s = now_s + ATTEMPT_DELAY_S if self._waiting else None
                return
        self.next_s = None
        if not self._open:
            raise BrokenConnectionError(f"could not connect to {self._where}: {self._why}", self._limit)

    def proceed(self, fd: int, now_s: float) -> tuple[socket.socket, Address] | None:
        """Take the outcome of one attempt: the connection if it stands, which ends all others.

        Raises:
            BrokenConnectionError: If it was the last.
        """
        sock, address = self._open.get(fd, (None, None))
        if sock is None or address is None:
            return None  # told of before it was closed
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        del self._open[fd]
        if not code:
            self.close()
            return sock, address
        self._selector.unregister(fd)
        sock.close()
        self._failed(code, address)
        self.advance(now_s)
        return None

    def close(self) -> None:
        """Give up every attempt that is under way. A second call is harmless."""
        self.next_s = None
        while self._open:
            fd, (sock, _) = self._open.popitem()
            self._selector.unregister(fd)
            sock.close()

    def _begin(self, address: Address) -> bool:
        family, place = address
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as exc:
            self._why, self._limit = reason(exc), limit_of(exc.errno)
            return False
        try:
            sock.setblocking(False)
            _prepare(sock)
            code = sock.connect_ex(place)
            if code in (0, errno.EINPROGRESS):
                self._selector.register(sock.fileno(), selectors.EVENT_WRITE, self._owner)
                self._open[sock.fileno()] = (sock, address)
                return True
        except OSError as exc:
            code = exc.errno or errno.EIO
        sock.close()
        self._failed(code, address)
        return False

    def _failed(self, code: int, address: Address) -> None:
        self._why, self._limit = reason_of(code), limit_of(code)
        # Where IPv6 is switched off its addresses cannot be assigned either: that is no lack of ports.
        if code == errno.EADDRNOTAVAIL and address[0] == socket.AF_INET6:
            self._limit = None


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Return addresses of both families in turn, IPv4 first, in their order otherwise (RFC 8305, section 4).

    RFC 8305 prefers IPv6. Here the way must be the same on machines with and without it, or they measure two things.
    """
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in sorted(addresses, key=lambda each: each[0]):
        families.setdefault(address[0], []).append(address)
    lists = list(families.values())
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


def _prepare(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):  # macOS lacks the first
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
