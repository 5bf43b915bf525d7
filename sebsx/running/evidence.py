"""What an answer proves of its start, by the function's own account.

A start is cold where the call was the first of its sandbox. Another call may have waited for that start, as where a
sandbox serves several calls at once: it was sent before the sandbox was ready. Clocks of two hosts are not subtracted
for that. The client measured how long the call took (`latency`), the function how long ago its initialisation was over
(`age_s`, both as the answer leaves). A latency within the age proves that the sandbox was ready before the request was
sent; so does an earlier answer of that sandbox, which the client saw before it sent this one. Whatever proves neither
is `waited`, not `warm`: a call that was sent within the time of one answer's way back from the moment of readiness
counts as one that waited. An answer that was polled for lay there for an unknown time: where nothing is proven, the
start is unknown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sebsx.model import StartType

if TYPE_CHECKING:
    from sebsx.model import Reply
    from sebsx.model.envelope import Envelope

# Start types of sandboxes that were initialised before the invocation came.
AHEAD = frozenset({StartType.RESTORED, StartType.PROVISIONED, StartType.PROACTIVE})
# Stuyvenberg, "Understanding AWS Lambda proactive initialization" (2023): a gap that no invocation in wait leaves.
_PROACTIVE_GAP_S = 10.0


class Starts:
    """Tells how invocations started; remembers which sandboxes answered, and when."""

    def __init__(self) -> None:
        self._answered: dict[str, float] = {}  # sandbox -> when the client had its first answer

    def of(self, envelope: Envelope, reply: Reply) -> tuple[StartType, str]:
        """Return the start type, and what that rests on, as JSON."""
        call, sandbox = envelope.call, envelope.sandbox_id
        if call is None:
            return StartType.UNKNOWN, "{}"
        if call > 1:
            return self._later(envelope, reply)
        if sandbox is not None:
            self._answered[sandbox] = reply.done_s
        return _first(envelope)

    def _later(self, envelope: Envelope, reply: Reply) -> tuple[StartType, str]:
        """Return the start type of a call that was not the first of its sandbox."""
        sandbox, age_s = envelope.sandbox_id or "", envelope.age_s
        answered_s = self._answered.setdefault(sandbox, reply.done_s)
        if reply.done_s < answered_s:
            self._answered[sandbox] = reply.done_s
        waited_s = 0.0 if age_s is None else reply.done_s - reply.sent_s - age_s
        if waited_s <= 0 or answered_s <= reply.sent_s:
            return StartType.WARM, '{"function": "warm"}'
        if reply.polls:
            return StartType.UNKNOWN, json.dumps({"age_s": age_s, "function": StartType.UNKNOWN})
        evidence = {"function": StartType.WAITED, "age_s": age_s, "waited_s": round(waited_s, 6)}
        return StartType.WAITED, json.dumps(evidence, sort_keys=True)


def _first(envelope: Envelope) -> tuple[StartType, str]:
    """Return the start type of a sandbox's first call, or of the one that its failed initialisation was for (call 0).

    A first call long after the initialisation met a sandbox that was made ahead of it: nobody waited for that.
    """
    initialization, gap_s = envelope.initialization, envelope.init_gap_s
    start_type = StartType.COLD
    if not initialization and gap_s is None:
        return start_type, '{"function": "cold"}'
    if initialization in AHEAD:
        start_type = StartType(initialization)
    elif gap_s is not None and gap_s > _PROACTIVE_GAP_S:
        start_type = StartType.PROACTIVE
    evidence = {"function": start_type, "initialization": initialization, "init_gap_s": gap_s}
    return start_type, json.dumps(evidence, sort_keys=True)
