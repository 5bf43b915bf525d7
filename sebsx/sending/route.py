"""Where requests go: the address behind a URL, through a proxy where the environment names one."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import sebsx
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sebsx.sending.connection import Connection

Address = tuple[socket.AddressFamily, Any]

# As long as libcurl and most resolvers keep an answer: functions behind many addresses are met at several.
_FRESH_S = 60.0


@dataclass(slots=True, eq=False)
class Origin:
    """A server: its connections that are idle, and the addresses its name stands for.

    Args:
        host: Whose certificate is expected.
        port: Its port.
        secure: Whether TLS is spoken.
        connect_to: Host and port that connections are opened to: the server's, or the proxy's.
        tunnel: What asks the proxy for a tunnel; None without one.
    """

    host: str
    port: int
    secure: bool
    connect_to: tuple[str, int]
    tunnel: bytes | None = None
    idle: list[Connection] = field(default_factory=list)
    waiting: list[Connection] = field(default_factory=list)
    _addresses: list[Address] = field(default_factory=list)
    _fresh_until_s: float = 0.0

    def addresses(self, tell: Callable[[Origin, str | None], None]) -> list[Address]:
        """Return the addresses, IPv4 first; empty while they are looked up, `tell` is then called from a thread."""
        if self._addresses and time.monotonic() < self._fresh_until_s:
            return self._addresses
        host, port = self.connect_to
        with contextlib.suppress(ValueError):
            version = ipaddress.ip_address(host).version
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            self._addresses, self._fresh_until_s = [(family, (host, port))], float("inf")
            return self._addresses
        if not self.waiting:
            threading.Thread(target=self._look_up, args=(tell,), daemon=True).start()
        return []

    def _look_up(self, tell: Callable[[Origin, str | None], None]) -> None:
        host, port = self.connect_to
        try:
            found = socket.getaddrinfo("localhost" if _is_localhost(host) else host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            tell(self, exc.strerror or str(exc))
            return
        self._addresses = [(entry[0], entry[4]) for entry in sorted(found, key=lambda entry: entry[0])]
        self._fresh_until_s = time.monotonic() + _FRESH_S
        tell(self, None)


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

    def find(self, url: str, headers: Sequence[str], method: str = "POST") -> Route:
        """Return the route of a URL with these further headers, which come instead of the usual ones.

        Raises:
            UserError: If it is no URL of http or https.
        """
        known = self._routes.get(url)
        if known is not None and known.method == method and (known.headers is headers or known.headers == headers):
            return known
        route = self._routes[url] = self._make(url, headers, method)
        return route

    def origins(self) -> list[Origin]:
        """Return every server met so far."""
        return list(self._origins.values())

    def _make(self, url: str, headers: Sequence[str], method: str) -> Route:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise UserError(f"URL {url!r} cannot be read: {exc}") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"URL {url!r} is none that requests can be sent to; write http://HOST or https://HOST")
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
            raise UserError(f"a header for {url!r} has a line break in it")
        head = "\r\n".join(lines) + "\r\nX-Sebsx-Request-Id: "
        return Route(origin, head.encode("latin-1"), headers, method)

    def _origin(self, scheme: str, host: str, port: int | None) -> tuple[Origin, str | None]:
        """Return the server, and for plain HTTP through a proxy its authorisation (may be empty), else None."""
        secure = scheme == "https"
        host = host.encode("idna").decode() if not host.isascii() else host
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
            self._origins[key] = Origin(host, number, secure, connect_to, tunnel)
        return self._origins[key], (authorization if proxy and not secure else None)


def _authority(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name


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
        raise UserError(f"proxy {proxy!r} is of a kind that is not supported; name one of http:// or set no_proxy")
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
