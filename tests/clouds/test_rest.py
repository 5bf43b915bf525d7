"""A JSON API that is asked again where that helps, and told at once where it does not."""

from __future__ import annotations

import socket

import pytest

from sebsx.clouds.rest import RestApi, may_have_been_taken, words_of
from sebsx.errors import PlatformError, UserError
from tests.endpoints import Endpoint


def test_server_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    api = RestApi("http://127.0.0.1:9", extra="openfaas", refusals=())
    sent, send = [], api._send
    monkeypatch.setattr(api, "_send", lambda *words: sent.append(words) or send(*words))
    with pytest.raises(PlatformError, match=r"look: 127\.0\.0\.1:9 does not answer .* is the address right"):
        api.ask("look", "GET", "/")
    assert len(sent) == 1
    api.close()


def test_server_that_takes_requests_and_never_answers_is_told_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        api = RestApi(url, extra="openfaas", refusals=(), answer_s=0.2)
        with pytest.raises(PlatformError, match=r"look: .* did not answer within 0\.2 s; .* --set answer_s") as caught:
            api.ask("look", "GET", "/")
        assert may_have_been_taken(caught.value)
        silent.settimeout(0.1)
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):  # it was sent once
            silent.accept()
        api.close()


def test_url_that_is_none_is_the_users() -> None:
    with pytest.raises(UserError, match="write https://HOST"):
        RestApi("gateway", extra="openfaas", refusals=()).ask("look", "GET", "/")


def test_server_that_sends_elsewhere_has_done_nothing() -> None:
    with Endpoint() as endpoint:
        api = RestApi(endpoint.url(""), extra="openfaas", refusals=())
        with pytest.raises(PlatformError, match=r"delete of 'f': 127\.0\.0\.1:\d+ sends requests on to"):
            api.tell("delete of 'f'", "PUT", "/redirect")
        assert len(endpoint.seen) == 1
        api.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "not\\nnow", "code": "1"}', "not now"),
        (b'{"message": "no"}', "no"),
        (b"plain  text\n", "plain text"),
        (b"", "no reason was given"),
        (b'["x"]', '["x"]'),
    ],
)
def test_words_of_a_refusal_are_one_line(body: bytes, words: str) -> None:
    assert words_of(body) == words
