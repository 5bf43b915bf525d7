"""Activations: how an action is invoked, what the server's record says, and what comes back.

A record's `duration` holds the initialisation, whose `initTime` is there for cold starts alone; `waitTime` is how long
the activation lay in queues before either. A function that failed is answered with 502, beside its record.

Source: `ContainerProxy.constructWhiskActivation` and `Messages` of Apache OpenWhisk, and its reference of annotations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.contracts.senders import EVERY_S, Ask, Done, Exchange, HttpRequest
from sebsx.model import ProviderRecord, StartType, Status
from sebsx.model.untrusted import UntrustedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.senders import HttpAnswer

BLOCKING, ASYNC = TRIGGERS = ("blocking", "async")
ID_HEADER = "x-openwhisk-activation-id"
OUTCOME_HEADER, RECORD_HEADER = "x-sebsx-outcome", "x-sebsx-record"
_ACCEPTED, _MISSING, _BUSY = 202, 404, 429
_SUCCESS, _APPLICATION_ERROR, _INTERNAL_ERROR = "success", "application error", "whisk internal error"
_OUT_OF_MEMORY = "exhausted its memory"
_LARGEST_MS = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationExchange(Exchange):
    """An invocation by the REST API: blocking, or accepted and asked for.

    The server answers a blocking one that outlasts a minute with 202 as well. A record is not there at once: 404 only
    says that it is late.

    Args:
        url: Of the action.
        activations: URL of all activations.
        headers: What proves who asks.
        blocking: Whether the answer to the invocation is waited for.
        ours: Whether the action is one of our packages, whose event stands below the key `event`.
        every_s: Time between two questions.
    """

    url: str
    activations: str
    headers: Mapping[str, str] = field(repr=False)
    blocking: bool
    ours: bool
    every_s: float = EVERY_S

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        """Return the invocation."""
        url = f"{self.url}?blocking={'true' if self.blocking else 'false'}"
        body = b'{"event":' + (payload or b"null") + b"}" if self.ours else payload
        return HttpRequest(url=url, headers=self.headers, body=body)

    def poll(self, answer: HttpAnswer) -> Ask | Done:
        """Return the result, or what to ask for it."""
        if answer.polls:
            late = answer.status in (_MISSING, _BUSY) or answer.status >= 500
            return Ask(request=answer.request, after_s=self.every_s) if late else self.read(answer)
        activation_id = _accepted(answer) if answer.status == _ACCEPTED else ""
        if not activation_id:
            return self.read(answer)
        question = HttpRequest(url=f"{self.activations}/{activation_id}", method="GET", headers=self.headers)
        return Ask(request=question, after_s=self.every_s)

    def refused(self, answer: HttpAnswer) -> Done:
        """Return what the function answered where it was called, else the refusal."""
        return self.read(answer)

    def read(self, answer: HttpAnswer) -> Done:
        """Return the result in a record; anything else stays as it is."""
        activation = _parsed(answer.body)
        response = activation.get("response")
        if not isinstance(response, dict) or "activationId" not in activation:
            return Done(status=answer.status, headers=answer.headers, body=answer.body)
        record = {"duration": activation.get("duration"), "annotations": activation.get("annotations")}
        told = {
            ID_HEADER: str(activation["activationId"]),
            OUTCOME_HEADER: outcome_of(activation, ours=self.ours),
            RECORD_HEADER: json.dumps({**record, "response": {"status": response.get("status")}}),
        }
        body = json.dumps(response.get("result"), ensure_ascii=False).encode("utf-8", "backslashreplace")
        return Done(status=answer.status, headers={**answer.headers, **told}, body=body)


def outcome_of(activation: Mapping[str, Any], *, ours: bool) -> Status:
    """Return how an activation ended.

    An application error is what a function says of itself: our packages say more of it in their envelope, where that
    was not too large for the server.
    """
    response = activation.get("response")
    response = response if isinstance(response, dict) else {}
    status, result = response.get("status"), response.get("result")
    spoke = ours and isinstance(result, dict) and "sebsx" in result
    if status == _SUCCESS or (status == _APPLICATION_ERROR and spoke):
        return Status.OK
    if status == _INTERNAL_ERROR:
        return Status.PLATFORM_ERROR
    if annotations_of(activation).get("timeout") is True:
        return Status.TIMEOUT
    return Status.OUT_OF_MEMORY if _OUT_OF_MEMORY in error_of(response) else Status.FUNCTION_ERROR


def error_of(response: Mapping[str, Any]) -> str:
    """Return the server's words for an activation that failed."""
    result = response.get("result")
    said = result.get("error") if isinstance(result, dict) else None
    return said if isinstance(said, str) else ""


def annotations_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of an action or an activation by their keys."""
    listed = document.get("annotations")
    items = listed if isinstance(listed, list) else []
    return {str(item["key"]): item.get("value") for item in items if isinstance(item, dict) and "key" in item}


def record_of(activation_id: str, activation: Mapping[str, Any], status: Status | None = None) -> ProviderRecord | None:
    """Return what the server's record says of an invocation; None where it says nothing of times.

    Args:
        activation_id: Of the invocation.
        activation: The record.
        status: How it ended; None where an answer says it.
    """
    annotations = annotations_of(activation)
    duration_ms, init_ms = _figure(activation.get("duration")), _figure(annotations.get("initTime"))
    wait_ms = _figure(annotations.get("waitTime"))
    if duration_ms is None:
        return None
    start: StartType | None = None
    if init_ms is not None:
        start = StartType.COLD
    elif _succeeded(activation):
        start = StartType.WARM  # the server leaves the time out for containers that were initialised before
    duration_s = max(0.0, duration_ms - (init_ms or 0.0)) / 1000
    return ProviderRecord(
        activation_id,
        duration_s=duration_s,
        init_s=None if init_ms is None else init_ms / 1000,
        billed_s=duration_s,
        start_type=start,
        status=status,
        evidence={} if wait_ms is None else {"wait_s": wait_ms / 1000},
    )


def _succeeded(activation: Mapping[str, Any]) -> bool:
    response = activation.get("response")
    return not isinstance(response, dict) or response.get("status") in (_SUCCESS, _APPLICATION_ERROR)


def _figure(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= _LARGEST_MS else None


def _accepted(answer: HttpAnswer) -> str:
    found = _parsed(answer.body).get("activationId") or answer.headers.get(ID_HEADER, "")
    return found if isinstance(found, str) and found.isalnum() else ""


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = parse_json(body)
    except UntrustedJsonError:
        return {}
    return found if isinstance(found, dict) else {}
