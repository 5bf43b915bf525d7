"""Turns what came back into an `Invocation`: status, start type with its evidence, and everybody's figures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sebsx.model import DROPPED, Invocation, Kind, StartType, Status
from sebsx.model.envelope import Envelope, read_answer, read_envelope
from sebsx.model.meaning import PLAIN, SUBJECT
from sebsx.running.evidence import AHEAD
from sebsx.running.starvation import mark
from sebsx.system.outside import without_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Deployment, ProviderRecord, Reply
    from sebsx.model.meaning import Meaning
    from sebsx.running.evidence import Starts
    from sebsx.running.samples import Names

# Long enough for a traceback with its cause, short enough for a million rows.
_ERROR_CHARACTERS = 4000
_NO_ENVELOPE = Envelope()
# What only the function can know of a start.
_KNOWN_BETTER = AHEAD | {StartType.WAITED}


@dataclass(frozen=True, slots=True)
class Extras:
    """What the envelopes of a batch hold beside the figures of single invocations.

    Attributes:
        facts: What sandboxes said of themselves, by their ids.
        series: Points with the `sequence` of their invocation, each under its metric.
        told: How outputs say that the work was done, each different way once, as JSON.
    """

    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    series: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    told: dict[str, None] = field(default_factory=dict)

    def add(self, invocation: Invocation, envelope: Envelope, meaning: Meaning = PLAIN) -> None:
        """Take in the envelope of an invocation, and what its output tells where it counts."""
        if envelope.facts and envelope.sandbox_id:
            self.facts[envelope.sandbox_id] = envelope.facts
        for metric, points in envelope.series.items():
            self.series.append((metric, {"sequence": invocation.sequence, **points}))
        if meaning.facts and invocation.status is Status.OK and invocation.kind is Kind.MEASURED:
            self.told[meaning.told(envelope.output)] = None


def read_reply(
    reply: Reply,
    *,
    platform: Platform[Any],
    deployment: Deployment,
    record: ProviderRecord | None,
    starts: Starts,
    names: Names,
    check: Callable[[Any], str | None],
    sequence: int,
    batch: int,
    kind: Kind,
    meaning: Meaning = PLAIN,
) -> tuple[Invocation, Envelope]:
    """Return the invocation that a reply and the provider's record describe, and the function's envelope.

    Args:
        reply: What the client saw.
        platform: Says what the reply means and what it cost.
        deployment: What was invoked.
        record: The provider's figures, None while they are not there.
        starts: Tells how it started, by what came before it.
        names: Tells which names samples may have.
        check: Returns what is wrong with an output, None if it is right.
        sequence: Number of the invocation in its run.
        batch: Number of the batch it was sent in.
        kind: Whether it counts.
        meaning: What the benchmark says its numbers mean.
    """
    read = read_answer if deployment.adopted else read_envelope
    envelope = read(reply.body) if reply.body else _NO_ENVELOPE
    if wrong := names.fault(envelope.samples.keys() | envelope.series.keys()):
        envelope = Envelope(error=envelope.error, fault=f"the answer's envelope is wrong: {wrong}")
    status: Status
    error: str | None
    if reply.error == DROPPED:
        status, error = Status.DROPPED, reply.error
    elif reply.limit is not None:
        status, error = Status.CLIENT_ERROR, f"{reply.error}; this machine has no more {reply.limit}"
    else:
        status, error = _status(reply, envelope, platform, check, meaning)
    start_type, evidence = starts.of(envelope, reply)
    invocation = Invocation(
        sequence=sequence,
        batch=batch,
        kind=kind,
        request_id=platform.request_id_of(reply),
        status=status,
        start_type=start_type,
        start_evidence=evidence,
        sandbox_id=envelope.sandbox_id,
        error=without_environment(error)[:_ERROR_CHARACTERS] if error else None,
        client_intended_s=reply.intended_s,
        client_sent_s=reply.sent_s,
        client_connected_s=reply.connected_s,
        client_first_byte_s=reply.first_byte_s,
        client_done_s=reply.done_s,
        function_started_s=envelope.started_s,
        function_finished_s=envelope.finished_s,
        function_duration_s=envelope.duration_s,
        bytes_in=len(reply.body),
        bytes_out=reply.bytes_out,
        attempts=reply.attempts,
        accepted_s=reply.accepted_s,
        polls=reply.polls,
        samples=envelope.samples,
    )
    if meaning.subject and status is Status.OK:
        invocation.samples = {**invocation.samples, SUBJECT: meaning.subject_s(envelope.samples)}
    mark(invocation, deployment.effective.get("vcpu"))
    record = record or platform.record_of(deployment, reply)
    if record is not None:
        add_record(invocation, record, platform, deployment)
    return invocation, envelope


def add_record(invocation: Invocation, record: ProviderRecord, platform: Platform[Any], deployment: Deployment) -> None:
    """Fill in what the provider says of an invocation, now or after it was stored.

    The provider decides the start type where it speaks of it, unless the function knows better: that its sandbox was
    made ahead, or that the call waited for another's start. A disagreement stays visible in the evidence.
    """
    if record.status is not None and invocation.status not in (Status.OK, Status.WRONG_OUTPUT):
        invocation.status = record.status
    told = record.start_type or (StartType.COLD if record.init_s else None)
    if told is not None:
        # A record knows whether there was an initialisation, not that it was over long before, nor who waited for it.
        if told is StartType.RESTORED or invocation.start_type not in _KNOWN_BETTER:
            invocation.start_type = told
        invocation.start_evidence = _told_too(invocation.start_evidence, told)
    if record.evidence:
        more = {f"provider_{name}": value for name, value in record.evidence.items()}
        evidence = {**json.loads(invocation.start_evidence or "{}"), **more}
        invocation.start_evidence = json.dumps(evidence, sort_keys=True)
    invocation.sandbox_id = invocation.sandbox_id or record.sandbox_id
    invocation.provider_duration_s = record.duration_s
    invocation.provider_init_s = record.init_s
    invocation.provider_billed_s = record.billed_s
    invocation.provider_max_memory_bytes = record.max_memory_bytes
    invocation.cost_usd = platform.context.prices.cost_usd(platform, deployment, record)


@lru_cache(maxsize=64)  # of warm calls it is the same again and again
def _told_too(evidence: str, told: StartType) -> str:
    """Return the evidence of a start with what the provider told."""
    return json.dumps({**json.loads(evidence), "provider": told}, sort_keys=True)


def _status(
    reply: Reply, envelope: Envelope, platform: Platform[Any], check: Callable[[Any], str | None], meaning: Meaning
) -> tuple[Status, str | None]:
    seen = platform.status_of(reply)
    if seen is not Status.OK:
        said = platform.error_of(reply)
        answered = f"HTTP {reply.http_status}" + (f": {said}" if said else "")
        reason = reply.error or envelope.error or envelope.fault or answered
        return seen, reason
    if envelope.error:
        return Status.FUNCTION_ERROR, envelope.error
    wrong = envelope.fault or check(envelope.output) or meaning.fault(envelope.samples, envelope.output)
    return (Status.WRONG_OUTPUT, wrong) if wrong else (Status.OK, None)
