"""Where requests go: the address behind a URL, through a proxy where the environment names one."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import re
import socket
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import sebsx
from sebsx.errors import UserError
from sebsx.model.urls import quotable
from sebsx.sending.faults import THREADS, BrokenConnectionError, limit_of
from sebsx.sending.racing import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sebsx.sending.connection import Connection

Address = tuple[socket.AddressFamily, Any]

# As long as libcurl and most resolvers keep an answer: functions behind many addresses are met at several.
_FRESH_S = 60.0
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(slots=True, eq=False)
class Origin:
    """A server: its connections that are idle, and the addresses its name stands for.

    Args:
        host: Whose certificate is expected.
        port: Its port.
        secure: Whether TLS is spoken.
        connect_to: Host and port that connections are opened to: the server's, or the proxy's.
        tunnel: What asks the proxy for a tunnel; None without one.
        proxy: The proxy, without user and password; empty without one.

    Attributes:
        certificates: Of others than this machine trusts, by whom it is trusted, as PEM.
        address: The address that answered last; empty before one did.
        fallback: Which addresses did not answer, in words; empty where the first did.
    """

    host: str
    port: int
    secure: bool
    connect_to: tuple[str, int]
    tunnel: bytes | None = None
    proxy: str = ""
    idle: list[Connection] = field(default_factory=list)
    waiting: list[Connection] = field(default_factory=list)
    certificates: str = ""
    address: str = ""
    fallback: str = ""
    _addresses: list[Address] = field(default_factory=list)
    _fresh_until_s: float = 0.0

    def addresses(self, tell: Callable[[Origin, str | None, str | None], None]) -> list[Address]:
        """Return the addresses in the order in which they are tried; empty while they are looked up.

        Args:
            tell: Is then called from a thread, with what went wrong and the limit of this machine behind that.

        Raises:
            BrokenConnectionError: If they cannot be looked up, because this machine has no thread left.
        """
        if self._addresses and time.monotonic() < self._fresh_until_s:
            return self._addresses
        host, port = self.connect_to
        with contextlib.suppress(ValueError):
            version = ipaddress.ip_address(host).version
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            self._addresses, self._fresh_until_s = [(family, (host, port))], float("inf")
            return self._addresses
        if not self.waiting:
            try:
                threading.Thread(target=self._look_up, args=(tell,), daemon=True).start()
            except RuntimeError as exc:
                raise BrokenConnectionError(f"could not look up host {host!r}: {exc}", THREADS) from exc
        return []

    def reached(self, address: Address) -> None:
        """Take note of the address that answered: others that should have been met before it are tried after it."""
        self.address = address[1][0]
        place = self._addresses.index(address) if address in self._addresses else 0
        if place:
            silent = self._addresses[:place]
            self.fallback = f"{', '.join(each[1][0] for each in silent)} did not answer; {self.address} did"
            self._addresses = self._addresses[place:] + silent

    def _look_up(self, tell: Callable[[Origin, str | None, str | None], None]) -> None:
        host, port = self.connect_to
        try:
            found = socket.getaddrinfo("localhost" if _is_localhost(host) else host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            tell(self, exc.strerror or str(exc), _file_limit())
            return
        except ValueError as exc:  # a name that no resolver takes
            tell(self, str(exc), None)
            return
        self._addresses = interleaved((entry[0], entry[4]) for entry in found)
        self._fresh_until_s = time.monotonic() + _FRESH_S
        tell(self, None, None)


@dataclass(frozen=True, slots=True)
class Route:
    """What is the same for every request to one URL: the server, and the head up to the request's id."""

    origin: Origin
    head: bytes
    headers: Sequence[str]
    method: str


class Routes:
    """Routes by URL; origins are shared by all URLs of a server."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}
        self._origins: dict[tuple[str, str], Origin] = {}
        self._found: dict[tuple[str, str, int | None], tuple[Origin, str | None]] = {}

    def find(self, url: str, headers: Sequence[str], method: str = "POST") -> Route:
        """Return the route of a URL with these further headers, which come instead of the usual ones.

        Raises:
            UserError: If it is not a URL of http or https.
        """
        known = self._routes.get(url)
        if known is not None and known.method == method and (known.headers is headers or known.headers == headers):
            return known
        route = self._routes[url] = self.make(url, headers, method)
        return route

    def origin_of(self, url: str) -> Origin | None:
        """Return the server behind a URL that was found before; None if it was not."""
        known = self._routes.get(url)
        return known.origin if known is not None else None

    def origins(self) -> list[Origin]:
        """Return every server met so far."""
        return list(self._origins.values())

    def make(self, url: str, headers: Sequence[str], method: str) -> Route:
        """Return a route that is not kept: for URLs that are asked once.

        Raises:
            UserError: If it is not a URL of http or https.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise UserError(f"URL {quotable(url)!r} cannot be read: {exc}") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"URL {quotable(url)!r} cannot be sent requests; write http://HOST or https://HOST")
        origin, proxied = self._origin(parts.scheme, parts.hostname, port)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
        target = f"http://{_authority(parts.hostname, port)}{path}" if proxied is not None else path
        usual = {"User-Agent": f"sebsx/{sebsx.__version__}", "Accept": "*/*", "Content-Type": "application/json"}
        given = {line.partition(":")[0].lower() for line in headers}
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {_authority(parts.hostname, port)}",
            *(f"{name}: {value}" for name, value in usual.items() if name.lower() not in given),
            *([proxied] if proxied else []),
            *headers,
        ]
        if any("\r" in line or "\n" in line for line in lines):
            raise UserError(f"a header for {quotable(url)!r} has a line break in it")
        head = "\r\n".join(lines) + "\r\nX-Sebsx-Request-Id: "
        try:
            return Route(origin, head.encode("latin-1"), headers, method)
        except UnicodeEncodeError as exc:
            raise UserError(f"URL or header for {quotable(url)!r} holds {exc.object[exc.start]!r}") from exc

    def _origin(self, scheme: str, host: str, port: int | None) -> tuple[Origin, str | None]:
        """Return the server, and for plain HTTP through a proxy its authorisation (may be empty), else None."""
        known = self._found.get((scheme, host, port))
        if known is None:
            known = self._found[scheme, host, port] = self._find_origin(scheme, host, port)
        return known

    def _find_origin(self, scheme: str, host: str, port: int | None) -> tuple[Origin, str | None]:
        secure = scheme == "https"
        host = _host(host)
        number = port or (443 if secure else 80)
        proxy = _proxy(scheme, host)
        authorization = _authorization(proxy) if proxy else ""
        key = (f"{scheme}://{host}:{number}", proxy or "")
        if key not in self._origins:
            connect_to = (host, number)
            tunnel = None
            if proxy:
                parts = urlsplit(proxy)
                connect_to = (parts.hostname or "", parts.port or 8080)
                if secure:
                    lines = [f"CONNECT {_authority(host, number)} HTTP/1.1", f"Host: {_authority(host, number)}"]
                    lines += [authorization] if authorization else []
                    tunnel = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
            self._origins[key] = Origin(host, number, secure, connect_to, tunnel, quotable(proxy) if proxy else "")
        return self._origins[key], (authorization if proxy and not secure else None)


def _authority(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name


def _file_limit() -> str | None:
    """Return the limit because of which no file can be opened now: a resolver says only that it failed."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return limit_of(exc.errno)
    return None


def _host(host: str) -> str:
    """Return a host as it is looked up.

    Raises:
        UserError: If it can be no name and no address (RFC 1035, section 2.3.4: labels of 1 to 63 octets, 253 in all).
    """
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return host
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        name = ""
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(0 < len(label) <= 63 and not _NOT_IN_A_NAME.search(label) for label in labels):
        raise UserError(f"host {host[:80]!r} cannot be a name: each part between dots has 1 to 63 letters or digits")
    return name


def _proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment (`https_proxy`, `no_proxy`, ...) names; never one for this machine."""
    if _is_localhost(host) or host == "::1" or host.startswith("127.") or urllib.request.proxy_bypass(host):
        return None
    found = urllib.request.getproxies()
    proxy = found.get(scheme) or found.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme != "http":
        raise UserError(f"proxy {quotable(proxy)!r} is not supported; name one of http:// or set no_proxy")
    return proxy


def _authorization(proxy: str) -> str:
    parts = urlsplit(proxy)
    if not parts.username:
        return ""
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}"


def _is_localhost(host: str) -> bool:
    """Tell whether a name is loopback, as all below `localhost` are, which not every resolver knows (RFC 6761, 6.3)."""
    return host == "localhost" or host.endswith(".localhost")
