"""One invocation at a time, by whatever way a platform offers; timing is not the point here."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.contracts.senders import Endpoint, Work
from sebsx.model import Reply, Status
from sebsx.sending.client import HttpClient

if TYPE_CHECKING:
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.schedules import Schedule
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
    if platform.exchange(deployment) is None:
        reply = platform.invoke(deployment, payload, deployment.config.timeout_s + _SPARE_S)
        if reply is not None:
            return _answer(platform, reply)
    [answer] = _send(platform, deployment, payload, Closed(1))
    return answer


def invoke_together(platform: Platform[Any], deployment: Deployment, event: Any, count: int) -> list[Answer]:
    """Invoke a deployment so often at once, over endpoint or exchange, and return the answers."""
    return _send(platform, deployment, json.dumps(event).encode(), Arrivals([0.0] * count))


def _send(platform: Platform[Any], deployment: Deployment, payload: bytes, schedule: Schedule) -> list[Answer]:
    """Send calls as a run would, by the same client."""
    exchange = platform.exchange(deployment)
    assert exchange or deployment.endpoint, "without endpoint or exchange() a platform needs its own invoke()"
    endpoint = Endpoint(
        url=deployment.endpoint or "",
        payload=hashlib.sha256(payload).hexdigest(),
        method=deployment.method,
        headers={**deployment.headers, **platform.signed(deployment, payload)},
        timeout_s=deployment.config.timeout_s + _SPARE_S,
        exchange=exchange,
        certificates=platform.certificates,
    )
    work = Work(schedule=schedule, endpoints=(endpoint,), name=uuid.uuid4().hex)
    with HttpClient() as client:
        return [_answer(platform, reply) for _, reply in client.send(work, {endpoint.payload: payload})]


def _answer(platform: Platform[Any], reply: Reply) -> Answer:
    envelope = _envelope(reply.body)
    status = platform.status_of(reply)
    if status is Status.OK and envelope and "error" in envelope:
        status = Status.FUNCTION_ERROR
    return Answer(reply, status, envelope)


def _envelope(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "sebsx" in value else None
