"""How far away an endpoint is: the time of a TCP connection, which no function has a part in."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def round_trip_s(url: str, tries: int = 5, timeout_s: float = 2.0) -> float | None:
    """Return the least time of some TCP connections to the host of a URL, name look-up left out.

    The least of several is the one that queues and retransmissions disturbed least. None where the host cannot be
    reached directly, such as behind a proxy, so that a run goes on without.
    """
    place = urlsplit(url)
    try:
        port = place.port or _PORTS.get(place.scheme, 0)
        family, kind, protocol, _name, address = socket.getaddrinfo(place.hostname, port, type=socket.SOCK_STREAM)[0]
        return min(_connect_s(family, kind, protocol, address, timeout_s) for _ in range(tries))
    except (OSError, ValueError):
        return None


def _connect_s(family: int, kind: int, protocol: int, address: tuple[object, ...], timeout_s: float) -> float:
    with socket.socket(family, kind, protocol) as connection:
        connection.settimeout(timeout_s)
        started_s = time.perf_counter()
        connection.connect(address)
        return time.perf_counter() - started_s
