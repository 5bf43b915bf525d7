"""Requests are signed as AWS's own SDK signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re

import pytest
from botocore.credentials import Credentials

from sebsx.contracts.senders import HttpAnswer
from sebsx_aws.signing import signed_headers
from sebsx_aws.triggers import ResultQueue

URL = "https://lambda.eu-north-1.amazonaws.com/2015-03-31/functions/f/invocations?Qualifier=sebsx"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def derived(secret: str, day: str, region: str, text: str) -> str:
    """The last step of Signature Version 4, by the published recipe."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, "lambda", "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


@pytest.mark.parametrize("token", [None, "session/token=="])
def test_signature_follows_the_published_recipe(token: str | None) -> None:
    body = b'{"a": "\xc3\xbc"}'
    headers = signed_headers(
        Credentials("AKIDEXAMPLE", SECRET, token), "eu-north-1", URL, body, {"X-Amz-Log-Type": "Tail"}
    )
    stamp, said = headers["X-Amz-Date"], headers["Authorization"]
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\d{8})/eu-north-1/lambda/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        said,
    )
    assert found, said
    day, names, signature = found.groups()
    sent = {"host": "lambda.eu-north-1.amazonaws.com", **{name.lower(): value for name, value in headers.items()}}
    assert {"host", "x-amz-date", "x-amz-log-type"} <= set(names.split(";"))
    assert ("x-amz-security-token" in names.split(";")) == (token is not None)
    canonical = "\n".join(
        [
            "POST", "/2015-03-31/functions/f/invocations", "Qualifier=sebsx",
            *(f"{name}:{sent[name]}" for name in names.split(";")), "", names, hashlib.sha256(body).hexdigest(),
        ]
    )  # fmt: skip
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            stamp,
            f"{day}/eu-north-1/lambda/aws4_request",
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    assert signature == derived(SECRET, day, "eu-north-1", text)


def test_another_body_has_another_signature() -> None:
    keys = Credentials("AKIDEXAMPLE", SECRET)
    first, second = (signed_headers(keys, "eu-north-1", URL, body, {}) for body in (b"1", b"2"))
    assert first["Authorization"] != second["Authorization"]


def test_message_that_cannot_be_read_costs_no_result_of_another() -> None:
    queue = ResultQueue(
        endpoint="http://sqs", queue="http://sqs/1/q", region="eu-north-1", credentials=Credentials("a", "b")
    )
    good = {"requestContext": {"requestId": "id", "condition": "Success"}, "responsePayload": {"x": 1}}
    texts = ("no JSON", "[]", "{}", "[" * 10_000, json.dumps(good))
    messages = [{"Body": text, "ReceiptHandle": str(number)} for number, text in enumerate(texts)]
    answer = HttpAnswer(
        request=queue.ask(), request_id="", status=200, headers={}, polls=1,
        body=json.dumps({"Messages": messages}).encode(),
    )  # fmt: skip
    delivery = queue.read(answer)
    assert {key: done.body for key, done in delivery.results.items()} == {"id": b'{"x": 1}'}
    assert delivery.acknowledgement is not None
    assert len(json.loads(delivery.acknowledgement.body)["Entries"]) == len(texts)
    assert "secret" not in repr(ResultQueue(endpoint="", queue="", region="", credentials="secret"))
