"""What servers and proxies may say, and what the client makes of it."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.contracts.exchanges import LocationExchange
from sebsx.contracts.schedules import Closed
from sebsx.contracts.senders import Endpoint, Work
from sebsx.errors import UserError
from sebsx.model import Reply
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.sending.http1 import Headers, whole
from tests.sending.conftest import Scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Word: one\r\n\r\nhi"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


def call(client: HttpClient, url: str, n: int = 1, body: bytes = b"{}", timeout_s: float = 5) -> list[Reply]:
    requests = client.drive(Closed(n), lambda number: Outgoing(url, body, f"id-{number}", ("X-More: 1",), timeout_s))
    return list(requests)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"hi"),
        (b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", b"hi"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nup to the end", b"up to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    ],
    ids=["length", "no-space", "chunked", "until-closed", "after-continue", "http-1.0"],
)
def test_every_framing_of_an_answer_is_read(client: HttpClient, answer: bytes, body: bytes) -> None:
    with Scripted([answer]) as server:
        (reply,) = call(client, f"http://127.0.0.1:{server.port}/")
    assert (reply.http_status, reply.error, reply.body) == (200, None, body)


def test_status_without_a_body_ends_the_answer(client: HttpClient) -> None:
    with Scripted([b"HTTP/1.1 204 No Content\r\n\r\n"]) as server:
        (reply,) = call(client, f"http://127.0.0.1:{server.port}/")
    assert (reply.http_status, reply.body, reply.error) == (204, b"", None)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_what_is_no_whole_answer_is_an_error(client: HttpClient, answer: bytes) -> None:
    with Scripted([answer]) as server:
        (reply,) = call(client, f"http://127.0.0.1:{server.port}/")
    assert reply.http_status is None
    assert reply.error


def test_request_has_its_headers_and_body(client: HttpClient) -> None:
    with Scripted([OK]) as server:
        call(client, f"http://127.0.0.1:{server.port}/a b/c?d=1", body=b"12345")
    (request,) = server.requests
    lines = request.split(b"\r\n")
    assert lines[0] == b"POST /a%20b/c?d=1 HTTP/1.1"
    assert {
        b"Host: 127.0.0.1:%d" % server.port, b"Content-Type: application/json", b"X-More: 1",
        b"X-Sebsx-Request-Id: id-0", b"Content-Length: 5",
    } <= set(lines)  # fmt: skip
    assert request.endswith(b"\r\n\r\n12345")


def test_connection_is_kept_for_the_next_request(client: HttpClient) -> None:
    with Scripted([OK, OK, OK]) as server:
        replies = call(client, f"http://127.0.0.1:{server.port}/", 3)
    assert [reply.body for reply in replies] == [b"hi"] * 3
    assert [reply.connected_s == reply.sent_s for reply in replies] == [False, True, True]


def test_connection_closed_while_idle_is_replaced(client: HttpClient) -> None:
    with Scripted([OK], [OK]) as server:
        address = f"http://127.0.0.1:{server.port}/"
        call(client, address)
        time.sleep(0.05)
        (reply,) = call(client, address)
    assert (reply.http_status, reply.error) == (200, None)


def test_answer_that_announces_the_end_of_its_connection_gets_no_second_request(client: HttpClient) -> None:
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    with Scripted([last], [last]) as server:
        replies = call(client, f"http://127.0.0.1:{server.port}/", 2)
    assert [reply.connected_s == reply.sent_s for reply in replies] == [False, False]


def test_name_is_looked_up(client: HttpClient) -> None:
    with Scripted([OK]) as server:
        (reply,) = call(client, f"http://localhost:{server.port}/")
    assert reply.http_status == 200
    assert reply.connected_s is not None
    assert reply.connected_s > reply.sent_s


def test_name_below_localhost_is_this_machine(client: HttpClient) -> None:
    with Scripted([OK]) as server:
        (reply,) = call(client, f"http://anything.localhost:{server.port}/")
    assert reply.http_status == 200
    assert reply.connected_s is not None
    assert reply.connected_s > reply.sent_s


def test_name_that_is_not_known_is_a_reply(client: HttpClient) -> None:
    (reply,) = call(client, "http://name.invalid:1/", timeout_s=20)
    assert reply.http_status is None
    assert reply.connected_s is None
    assert reply.error is not None


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:80", "http://", "http://127.0.0.1:port/"])
def test_what_is_no_address_is_a_users_error(client: HttpClient, url: str) -> None:
    with pytest.raises(UserError, match="URL"):
        call(client, url)


@pytest.mark.slow
def test_tls_is_spoken_and_its_handshake_counts_as_connecting(client: HttpClient, tls: ssl.SSLContext) -> None:
    with Secure(tls, [OK, OK]) as server:
        first, second = call(client, f"https://localhost:{server.port}/", 2)
    assert (first.http_status, second.http_status) == (200, 200)
    assert first.connected_s is not None
    assert first.sent_s < first.connected_s < first.done_s
    assert second.connected_s == second.sent_s


def test_large_body_goes_through_tls_whole(client: HttpClient, tls: ssl.SSLContext) -> None:
    body = bytes(range(256)) * 8000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with Secure(tls, [answer]) as server:
        (reply,) = call(client, f"https://localhost:{server.port}/", body=body)
    assert reply.body == body
    assert server.requests[0].endswith(body)


@pytest.mark.parametrize("by_exchange", [False, True])
def test_certificate_that_an_endpoint_names_is_trusted(
    client: HttpClient, certificate: Path, *, by_exchange: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate))
    with Secure(context, [OK]) as server:
        url = f"https://localhost:{server.port}/"
        endpoint = Endpoint(
            url=url, payload="0", certificates=certificate.read_text(),
            exchange=LocationExchange(url=url) if by_exchange else None,
        )  # fmt: skip
        work = Work(schedule=Closed(1), endpoints=(endpoint,), name="trusted")
        ((_, reply),) = client.send(work, {"0": b"{}"})
    assert (reply.error, reply.http_status) == (None, 200)


def test_certificate_that_is_not_trusted_is_a_reply(client: HttpClient, certificate: object) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate))
    with Secure(context, [OK]) as server:
        (reply,) = call(client, f"https://localhost:{server.port}/")
    assert reply.error is not None
    assert "certificate is not trusted" in reply.error


class Secure(Scripted):
    """Speaks TLS from the start."""

    def __init__(self, context: ssl.SSLContext, *connections: list[bytes]) -> None:
        super().__init__(*connections)
        self._tls = context

    def _answer(self, connection: socket.socket, steps: list[bytes], stack: contextlib.ExitStack) -> None:
        secure = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
        super()._answer(secure, steps, stack)


def test_plain_request_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted([OK]) as proxy, HttpClient() as client:
        monkeypatch.setenv("http_proxy", f"http://me:se%20cret@127.0.0.1:{proxy.port}")
        (reply,) = call(client, "http://far.example/path")
    assert reply.http_status == 200
    lines = proxy.requests[0].split(b"\r\n")
    assert lines[0] == b"POST http://far.example/path HTTP/1.1"
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:se cret") in lines


def test_secure_request_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext) -> None:
    with Scripted([b"HTTP/1.1 200 go on\r\n\r\n", OK], context=tls) as proxy, HttpClient() as client:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        (reply,) = call(client, "https://far.example/path")
    assert (reply.http_status, reply.error) == (200, None)
    assert proxy.requests[0].startswith(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n")
    assert proxy.requests[1].startswith(b"POST /path HTTP/1.1")


def test_tunnel_that_is_refused_is_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted([b"HTTP/1.1 403 Forbidden\r\n\r\n"]) as proxy, HttpClient() as client:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        (reply,) = call(client, "https://far.example/")
    assert reply.error is not None
    assert "403 Forbidden" in reply.error


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted([OK]) as server, HttpClient() as client:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        (reply,) = call(client, f"http://127.0.0.1:{server.port}/")
    assert reply.http_status == 200


def test_proxy_of_another_kind_is_a_users_error(monkeypatch: pytest.MonkeyPatch, client: HttpClient) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(UserError, match="not supported"):
        call(client, "http://far.example/")


def test_headers_are_found_by_lower_case_name() -> None:
    headers = Headers(b"HTTP/1.1 200 OK\r\nX-One: a: b\r\nTwo:2")
    assert dict(headers) == {"x-one": "a: b", "two": "2"}
    assert len(headers) == 2


def test_one_header_is_found_like_all_of_them() -> None:
    raw = b"HTTP/1.1 200 OK\r\nX-One: a: b\r\nTWO:2\r\nx-one:\t\xe9 \r\nOdd : 3\r\nEmpty:\r\nLast: x-one: 4"
    every = dict(Headers(raw))
    assert every == {"x-one": "\xe9", "two": "2", "odd": "3", "empty": "", "last": "x-one: 4"}
    assert {name: Headers(raw)[name] for name in every} == every
    assert Headers(raw).get("one") is None
    assert Headers(raw).get("X-One", "no") == "no"


@pytest.mark.parametrize(
    "data",
    [
        OK[:-1],
        OK + b"x",
        OK[:20],
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"HTTP/1.1 2_0 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_only_exactly_one_plain_answer_is_read_at_a_glance(data: bytes) -> None:
    assert whole(OK) == (200, Headers(OK[:-6]), b"hi")
    assert whole(data) is None
