"""One invocation at a time, by whatever way a platform offers; timing is not the point here."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from sebsx.model import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Deployment

_SPARE_S = 30.0  # beyond the function's own time-out, for a cold start on a busy machine


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and what it means.

    `envelope` is None where the body is none; `output` is what the handler returned.
    """

    reply: Reply
    status: Status
    envelope: dict[str, Any] | None

    @property
    def output(self) -> Any:
        """What the handler returned, or None."""
        return self.envelope.get("output") if self.envelope else None


def invoke(platform: Platform[Any], deployment: Deployment, event: Any) -> Answer:
    """Invoke a deployment once and return the answer, whatever it is."""
    payload = json.dumps(event).encode()
    timeout_s = deployment.config.timeout_s + _SPARE_S
    reply = platform.invoke(deployment, payload, timeout_s)
    if reply is None:
        reply = _post(deployment, payload, timeout_s, platform.signed(deployment, payload))
    envelope = _envelope(reply.body)
    status = platform.status_of(reply)
    if status is Status.OK and envelope and "error" in envelope:
        status = Status.FUNCTION_ERROR
    return Answer(reply, status, envelope)


def _post(deployment: Deployment, payload: bytes, timeout_s: float, signed: Mapping[str, str]) -> Reply:
    assert deployment.endpoint, "a deployment without endpoint needs a platform with its own invoke()"
    url, request_id, sent_s = urlsplit(deployment.endpoint), uuid.uuid4().hex, time.time()
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    # RFC 6761: names below localhost are this machine, whether or not a resolver knows them.
    place = f"127.0.0.1:{url.port or 80}" if (url.hostname or "").endswith(".localhost") else url.netloc
    connection = kind(place, timeout=timeout_s)
    headers = {
        "Host": url.netloc,
        "Content-Type": "application/json",
        "X-Sebsx-Request-Id": request_id,
        **deployment.headers,
        **signed,
    }
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    answered: Mapping[str, str] = {}
    http_status, error, body = None, None, b""
    try:
        connection.request("POST", target, payload, headers)
        response = connection.getresponse()
        body = response.read()
        http_status = response.status
        answered = cast("Mapping[str, str]", response.headers)  # finds names in any case
    except TimeoutError:
        error = "timeout"
    except (OSError, http.client.HTTPException) as exc:
        error = str(exc) or type(exc).__name__
    finally:
        connection.close()
    done_s = time.time()
    return Reply(
        request_id=request_id,
        intended_s=sent_s,
        sent_s=sent_s,
        connected_s=sent_s,
        first_byte_s=None if error else done_s,
        done_s=done_s,
        http_status=http_status,
        headers=answered,
        body=body,
        bytes_out=len(payload),
        error=error,
    )


def _envelope(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "sebsx" in value else None
