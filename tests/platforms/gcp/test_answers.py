"""What Google's libraries raise for an answer that is none of Google's is told as such."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.rest_streaming import ResponseIterator
from google.cloud.functions_v2 import Function
from google.protobuf import json_format
from requests import Response

from sebsx.errors import PlatformError
from sebsx_gcp.errors import ERRORS


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
