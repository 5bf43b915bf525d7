"""What Google's libraries raise for an answer that is none of Google's is told as such, and no listing is endless."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from google.api_core.rest_streaming import ResponseIterator
from google.cloud.functions_v2 import Function
from google.protobuf import json_format
from requests import Response

from sebsx.errors import PlatformError
from sebsx_gcp.clients import GcpClients
from sebsx_gcp.errors import ERRORS
from sebsx_gcp.resources import BUCKET, FUNCTION, KINDS
from sebsx_gcp.settings import GcpSettings
from tests.platforms.test_hostile_servers import Hostile


def parsed(text: str) -> Any:
    return json_format.Parse(text, Function.pb(Function()))


def streamed(text: str) -> Any:
    answer = Response()
    answer._content = text.encode()
    return list(ResponseIterator(answer, Function))


def read(text: str) -> Any:
    return json.loads(text).get("items")


@pytest.mark.parametrize("take", [parsed, streamed, read])
@pytest.mark.parametrize("text", ["<html>", "5", '{"items": [1'])
def test_answer_that_is_none_of_googles_is_told(take: Callable[[str], Any], text: str) -> None:
    with (
        pytest.raises(PlatformError, match="delete of 'f': the answer cannot be read"),
        ERRORS.explained("delete of 'f'"),
    ):
        take(text)


@pytest.mark.slow
def test_listing_that_does_not_end_is_told() -> None:
    body = b'{"items": [], "functions": [], "nextPageToken": "more"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def again() -> Iterator[bytes]:
        yield answer

    with Hostile(again) as server:
        known = {"functions_url": server.url, "storage_url": server.url}
        with closing(GcpClients(GcpSettings(project="p", anonymous=True, **known))) as clients:
            asks: list[tuple[str, Callable[[], object]]] = [
                ("search for functions", lambda: list(KINDS[FUNCTION].found(clients))),  # type: ignore[misc]
                ("search for buckets", lambda: list(KINDS[BUCKET].found(clients))),  # type: ignore[misc]
                ("list of objects", lambda: KINDS[BUCKET].delete(clients, "b")),
            ]
            for what, ask in asks:
                with pytest.raises(PlatformError, match=f"{what}.* does not end: page 2 names a page that was read"):
                    ask()
