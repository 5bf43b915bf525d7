"""Signed headers for requests that the core's own client sends, so that all providers are timed alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Mapping


def signed_headers(
    credentials: Any, region: str, url: str, body: bytes, headers: Mapping[str, str], service: str = "lambda"
) -> dict[str, str]:
    """Return the headers to send with a POST of `body` to `url`; AWS takes them for five minutes.

    Source: AWS General Reference, Signature Version 4, as botocore does it.
    """
    request = require("botocore.awsrequest", extra="aws").AWSRequest("POST", url, data=body, headers=dict(headers))
    require("botocore.auth", extra="aws").SigV4Auth(credentials, service, region).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}
