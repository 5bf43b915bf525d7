"""What the calls of one window say: samples of the overhead, by clocks that were aligned in the same sandbox.

A window is a few measured calls with exchanges around them (warm) or after them (cold), all in one round of a cell. The
experiment judges each window while it measures, and the analyzer judges it again, by the same function.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model import Kind, StartType, Status
from sebsx.model.starts import counts
from sebsx_invocation_overhead.clocksync import ClockError, ClockExchange, align, since_minimum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.model import Invocation
    from sebsx_invocation_overhead.clocksync import Alignment

RECEIVED, REPLIED = "clock.received_s", "clock.replied_s"
STEPPED = "the clock was set"


@dataclass(frozen=True, slots=True)
class Sample:
    """The overhead of one invocation, in seconds.

    Args:
        sequence: Of the invocation.
        payload_bytes: Size of the request's body.
        outbound_s: From the request sent, on a connection that stands, to the start of the handler.
        return_s: From the end of the handler to the first byte of the answer.
        uncertainty_s: By how much the clocks may make both wrong, in opposite directions.
        sandbox_id: Of the sandbox, whose clock is known.
        round: Of the window.
    """

    sequence: int
    payload_bytes: int
    outbound_s: float
    return_s: float
    uncertainty_s: float
    _: KW_ONLY
    sandbox_id: str
    round: int


@dataclass(slots=True)
class Window:
    """What a window came to.

    Args:
        samples: Those that count.
        discarded: How many measured calls do not, by reason.
        unanswered: How many of those had no good answer.
        lost: Exchanges that failed or met another sandbox.
        alignments: One for each sandbox whose clock could be aligned.
        settled: The fewest exchanges that followed the shortest one, of all alignments.
    """

    samples: list[Sample] = field(default_factory=list)
    discarded: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    lost: int = 0
    alignments: list[Alignment] = field(default_factory=list)
    settled: int | None = None

    def add(self, other: Window) -> None:
        """Take in another window."""
        self.samples += other.samples
        self.discarded += other.discarded
        self.unanswered += other.unanswered
        self.lost += other.lost
        self.alignments += other.alignments
        known = [settled for settled in (self.settled, other.settled) if settled is not None]
        self.settled = min(known, default=None)


def clock_readings(output: Mapping[str, Any]) -> dict[str, float]:
    """Return the first and the last reading of the function's wall clock."""
    return {RECEIVED: output["wall_s"][0], REPLIED: output["wall_s"][-1]}


def exchange_of(call: Invocation) -> ClockExchange | None:
    """Return an invocation as an exchange of messages; None for one that failed, or without readings."""
    readings = call.samples
    if call.status is not Status.OK or RECEIVED not in readings or REPLIED not in readings:
        return None
    sent_s = call.client_sent_s if call.client_connected_s is None else call.client_connected_s
    answered_s = call.client_done_s if call.client_first_byte_s is None else call.client_first_byte_s
    return ClockExchange(sent_s, readings[RECEIVED], readings[REPLIED], answered_s)


def judge_all(calls: Iterable[Invocation], start: StartType) -> Window:
    """Return what all windows of a cell came to."""
    rounds: dict[int, list[Invocation]] = defaultdict(list)
    for call in calls:
        rounds[-1 if call.round is None else call.round].append(call)
    total = Window()
    for number in sorted(rounds):
        total.add(judge(rounds[number], start))
    return total


def judge(calls: Sequence[Invocation], start: StartType) -> Window:
    """Return what the calls of one window came to.

    Args:
        calls: Warm-ups are exchanges, the others are what is measured; in any order.
        start: Start type wanted. Warm samples need exchanges before and after them, cold ones after.
    """
    window = Window()
    measured = [call for call in calls if call.kind is Kind.MEASURED]
    window.unanswered = sum(call.status is not Status.OK for call in measured)
    wanted = {call.sandbox_id for call in measured}
    exchanges: dict[str | None, list[ClockExchange]] = defaultdict(list)
    for call in sorted((call for call in calls if call.kind is Kind.WARMUP), key=lambda call: call.sequence):
        exchange = exchange_of(call)
        if exchange is None or call.sandbox_id not in wanted:
            window.lost += 1
        else:
            exchanges[call.sandbox_id].append(exchange)
    aligned = {sandbox: alignment for sandbox, found in exchanges.items() if (alignment := _aligned(found))}
    window.alignments += aligned.values()
    window.settled = min((since_minimum(exchanges[sandbox]) for sandbox in aligned), default=None)
    for call in measured:
        found = exchanges.get(call.sandbox_id, [])
        outcome = _why_not(call, start, found) or _sample(call, aligned.get(call.sandbox_id))
        if isinstance(outcome, Sample):
            window.samples.append(outcome)
        else:
            window.discarded[outcome] += 1
    return window


def _aligned(exchanges: Sequence[ClockExchange]) -> Alignment | None:
    try:
        return align(exchanges)
    except ClockError:
        return None


def _why_not(call: Invocation, start: StartType, exchanges: Sequence[ClockExchange]) -> str:
    """Return why a call does not count; empty if nothing speaks against it yet."""
    if call.status is not Status.OK:
        return f"ended as {call.status}"
    if exchange_of(call) is None:
        return "no reading of the function's clock"
    if not counts(call.start_type, start):
        return f"start was {call.start_type}"
    after = any(exchange.d_send >= call.client_done_s for exchange in exchanges)
    before = any(exchange.d_recv <= call.client_sent_s for exchange in exchanges)
    if not after or not (before or start is StartType.COLD):
        return "the sandbox ended before its clock was aligned"
    return ""


def _sample(call: Invocation, alignment: Alignment | None) -> Sample | str:
    """Return the sample, or why there is none: what contradicts the exchanges around it."""
    seen = exchange_of(call)
    if alignment is None or seen is None or call.sandbox_id is None:
        return STEPPED
    outbound_s = alignment.to_driver_s(seen.f_recv) - seen.d_send
    return_s = seen.d_recv - alignment.to_driver_s(seen.f_send)
    uncertainty_s = max(alignment.uncertainty_s(seen.d_send), alignment.uncertainty_s(seen.d_recv))
    if min(outbound_s, return_s) < -uncertainty_s:
        return STEPPED
    return Sample(
        call.sequence, call.bytes_out, outbound_s, return_s, uncertainty_s,
        sandbox_id=call.sandbox_id, round=-1 if call.round is None else call.round,
    )  # fmt: skip
