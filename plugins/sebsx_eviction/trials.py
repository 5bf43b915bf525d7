"""What the invocations of a trial say: which sandboxes outlived their idle time.

A trial is one round of its cell: bursts of `d_init` simultaneous calls until all of them meet different warm
sandboxes (stored as warm-ups), a time without calls, and one more burst (stored as measured).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from sebsx.model import Kind, StartType, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sebsx.model import Invocation


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial, as far as it came.

    Args:
        round: Its number in the cell.
        idle_s: Time without calls of each sandbox, from the last byte of its answer to the call that found it, or that
            would have; by the client's monotonic clock.
        alive: Whether each of them was there after it.
        problem: Why it says nothing; empty where it counts.
        cut: Whether it was interrupted before its last burst.
        overhead_s: How much longer a warm call took than its function, at the median: the real idle time is up to so
            much longer than the one seen.
    """

    round: int
    idle_s: tuple[float, ...] = ()
    alive: tuple[bool, ...] = ()
    problem: str = ""
    cut: bool = False
    overhead_s: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it says something."""
        return not self.problem and not self.cut

    @property
    def warm(self) -> int:
        """How many sandboxes were still there."""
        return sum(self.alive)

    @property
    def mean_idle_s(self) -> float:
        """Mean of the idle times, which differ by milliseconds."""
        return fmean(self.idle_s)

    @property
    def share(self) -> float:
        """Share of the sandboxes that were still there."""
        return self.warm / len(self.alive)


def unsettled(burst: Sequence[Invocation], d_init: int) -> str:
    """Return why a burst did not meet `d_init` different warm sandboxes; empty if it did."""
    if trouble := _trouble(burst, d_init):
        return trouble
    cold = sum(call.start_type is not StartType.WARM for call in burst)
    return f"{cold} of {d_init} calls started a sandbox" if cold else ""


def read_trial(number: int, before: Sequence[Invocation], after: Sequence[Invocation], d_init: int) -> Trial:
    """Return a trial from the burst before and the burst after its idle time; none after it means that it was cut."""
    if not after:
        return Trial(number, cut=True)
    if trouble := unsettled(before, d_init):
        return Trial(number, problem=f"before the idle time, {trouble}")
    if trouble := _trouble(after, d_init):
        return Trial(number, problem=f"after the idle time, {trouble}")
    known = {call.sandbox_id: call for call in before}
    found = {call.sandbox_id: call for call in after}
    for call in after:
        if (call.start_type is StartType.WARM) != (call.sandbox_id in known):
            what = "a sandbox of before" if call.sandbox_id in known else "a sandbox not seen before"
            return Trial(number, problem=f"wrong start type: {what} was {call.start_type.value}")
    # Calls of a burst leave within a millisecond: a sandbox that was not met would have been met by the first.
    asked_s = min(call.client_sent_s for call in after)
    idle_s = tuple(
        (found[sandbox].client_sent_s if sandbox in found else asked_s) - call.client_done_s
        for sandbox, call in known.items()
    )
    overheads_s = sorted(call.latency_s - (call.function_duration_s or 0.0) for call in before)
    alive = tuple(sandbox in found for sandbox in known)
    return Trial(number, idle_s, alive, overhead_s=overheads_s[len(overheads_s) // 2])


def read_trials(invocations: Iterable[Invocation], d_init: int) -> list[Trial]:
    """Return the trials that the invocations of a cell make up, by round; those that were cut as well."""
    rounds: dict[int, list[Invocation]] = defaultdict(list)
    for invocation in invocations:
        if invocation.round is not None:
            rounds[invocation.round].append(invocation)
    return [_of_round(number, rounds[number], d_init) for number in sorted(rounds)]


def _of_round(number: int, calls: Sequence[Invocation], d_init: int) -> Trial:
    after = [call for call in calls if call.kind is Kind.MEASURED]
    before = [call for call in calls if call.kind is Kind.WARMUP]
    last = max((call.batch for call in before), default=None)
    return read_trial(number, [call for call in before if call.batch == last], after, d_init)


def _trouble(burst: Sequence[Invocation], d_init: int) -> str:
    failed = [call for call in burst if call.status is not Status.OK]
    if failed:
        return f"{len(failed)} of {len(burst)} calls failed ({failed[0].status.value})"
    met = len({call.sandbox_id for call in burst})
    if met != d_init:
        return f"{d_init} simultaneous calls met {met} sandboxes"
    return ""
