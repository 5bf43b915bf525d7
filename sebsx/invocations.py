"""Turns what came back into an `Invocation`: status, start type with its evidence, and everybody's figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sebsx.envelope import Envelope, read_envelope
from sebsx.model import Invocation, Kind, ProviderRecord, Reply, StartType, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.model import Deployment
    from sebsx.platforms import Platform

# Long enough for a traceback with its cause, short enough for a million rows.
_ERROR_CHARACTERS = 4000


def read_reply(
    reply: Reply,
    *,
    platform: Platform[Any],
    deployment: Deployment,
    record: ProviderRecord | None,
    check: Callable[[Any], str | None],
    sequence: int,
    batch: int,
    kind: Kind,
) -> tuple[Invocation, Envelope]:
    """Return the invocation that a reply and the provider's record describe, and the function's envelope.

    Args:
        reply: What the client saw.
        platform: Says what the reply means and what it cost.
        deployment: What was invoked.
        record: The provider's figures, None while they are not there.
        check: Returns what is wrong with an output, None if it is right.
        sequence: Number of the invocation in its run.
        batch: Number of the batch it was sent in.
        kind: Whether it counts.
    """
    envelope = read_envelope(reply.body) if reply.body else Envelope()
    status, error = _status(reply, envelope, platform.status_of(reply), check)
    if record is not None and record.status is not None and status not in (Status.OK, Status.WRONG_OUTPUT):
        status = record.status
    start_type, evidence = start_type_of(envelope, record)
    known = record or ProviderRecord(reply.request_id)
    invocation = Invocation(
        sequence=sequence,
        batch=batch,
        kind=kind,
        request_id=platform.request_id_of(reply),
        status=status,
        start_type=start_type,
        start_evidence=json.dumps(evidence, sort_keys=True),
        sandbox_id=envelope.sandbox_id or known.sandbox_id,
        error=error[:_ERROR_CHARACTERS] if error else None,
        client_intended_s=reply.intended_s,
        client_sent_s=reply.sent_s,
        client_connected_s=reply.connected_s,
        client_first_byte_s=reply.first_byte_s,
        client_done_s=reply.done_s,
        function_started_s=envelope.started_s,
        function_finished_s=envelope.finished_s,
        function_duration_s=envelope.duration_s,
        provider_duration_s=known.duration_s,
        provider_init_s=known.init_s,
        provider_billed_s=known.billed_s,
        provider_max_memory_bytes=known.max_memory_bytes,
        bytes_in=len(reply.body),
        bytes_out=reply.bytes_out,
        cost_usd=platform.cost_usd(deployment, known) if record else None,
        samples=envelope.samples,
    )
    return invocation, envelope


def start_type_of(envelope: Envelope, record: ProviderRecord | None) -> tuple[StartType, Mapping[str, str]]:
    """Return the start type and what each side says: the function counts its calls, the provider tells an init.

    The provider decides where it speaks; a disagreement stays visible in the evidence.
    """
    evidence: dict[str, str] = {}
    if envelope.call is not None:
        evidence["function"] = StartType.COLD if envelope.call == 1 else StartType.WARM
    if record is not None:
        evidence["provider"] = StartType.WARM if record.init_s is None else StartType.COLD
    return StartType(evidence.get("provider", evidence.get("function", StartType.UNKNOWN))), evidence


def _status(
    reply: Reply, envelope: Envelope, seen: Status, check: Callable[[Any], str | None]
) -> tuple[Status, str | None]:
    if seen is not Status.OK:
        reason = reply.error or envelope.error or f"HTTP {reply.http_status}"
        return seen, reason
    if envelope.error:
        return Status.FUNCTION_ERROR, envelope.error
    wrong = check(envelope.output)
    return (Status.WRONG_OUTPUT, wrong) if wrong else (Status.OK, None)
