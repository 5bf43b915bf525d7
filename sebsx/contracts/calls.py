"""What an experiment asks of its session: calls of one function, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.model import Invocation, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.functions import Function
    from sebsx.contracts.schedules import Schedule
    from sebsx.errors import PluginError

# A generator whose p99 lateness is above both of these, or whose thread was busier, measured itself.
LATENESS_S = 0.005
LATENESS_SHARE = 0.05
BUSY_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calls:
    """Calls of one function, when each is due, and what is stored with them.

    Args:
        function: What is called.
        schedule: When.
        cell_id: The cell they belong to.
        kind: Whether they count.
        round: Round of the design; None where it has none.
        events: Inputs of the calls in order, and again from the first, in place of the function's own for all.
        read: Returns samples from the output of a call that ended well, under registered metrics; None for what the
            function says (`Function.read`).
        max_in_flight: A call that is due while so many are in flight is stored as dropped; None for no cap.
    """

    function: Function
    schedule: Schedule
    cell_id: int
    kind: Kind = Kind.MEASURED
    round: int | None = None
    events: Sequence[Mapping[str, Any]] = ()
    read: Callable[[Any], Mapping[str, float]] | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the generator did in one phase of load; durations in seconds.

    Args:
        sent: Requests sent.
        dropped: Requests that were due and not sent, because too many were in flight.
        late: Requests sent more than `LATE_S` after their time.
        client_errors: Requests that this machine could not send, or whose answer it could not take.
        limits: The limits of this machine that were met then.
        lateness_p50_s: Median of sent minus intended.
        lateness_p99_s: Its 99th percentile.
        lateness_max_s: Its largest value.
        cpu_share: Processor time of the generator's thread over the time of the phase, without waiting awake.
        latency_p50_s: Median of done minus sent, of the requests that were answered.
        in_flight_max: Most requests in flight at once.
        duration_s: Time of the phase.
        runqueue_s: Time in which the generator's thread could have run, to send or to take an answer, and another had
            the processor; None where the kernel does not say.
        turns: How often it got the processor.
        given_up: Why it ended before its time, in words; empty where it did not.
        ordinary: Why the generator's thread was scheduled like any other, in words; empty where it went first
            (SCHED_FIFO), and in a closed loop, which has no times to keep.
    """

    sent: int
    dropped: int
    client_errors: int
    limits: tuple[str, ...]
    late: int
    lateness_p50_s: float
    lateness_p99_s: float
    lateness_max_s: float
    cpu_share: float
    latency_p50_s: float
    in_flight_max: int
    duration_s: float
    runqueue_s: float | None = None
    turns: int | None = None
    given_up: str = ""
    ordinary: str = ""

    @property
    def verdict(self) -> str:
        """Why the phase must not be believed, in words; empty where it may."""
        allowed_s = max(LATENESS_S, LATENESS_SHARE * self.latency_p50_s)
        reasons = []
        if self.client_errors:
            reasons.append(
                f"{self.client_errors} requests failed on this machine, not on the platform: it has no more "
                f"{' and no more '.join(self.limits)}"
            )
        if self.lateness_p99_s > allowed_s:
            reasons.append(
                f"the generator was late: 1 % of the requests left {self.lateness_p99_s * 1e3:.1f} ms or more after "
                f"their time, {allowed_s * 1e3:.1f} ms are allowed"
                + (f" (it had no priority: {self.ordinary}; see sebsx doctor)" if self.ordinary else "")
            )
        if self.cpu_share > BUSY_SHARE:
            reasons.append(f"the generator was saturated: its thread was busy {self.cpu_share:.0%} of the time")
        return "; ".join(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of calls.

    Args:
        calls: What was asked for.
        invocations: As they were stored, in the order in which they were sent; empty for a phase of load, whose
            invocations are told as they are stored.
        health: How the generator did in a phase of load; None for a batch.
        failure: What a plugin failed with, which ended these calls of an agenda: their answers are not stored. None
            where none did.
    """

    calls: Calls
    invocations: list[Invocation]
    health: Health | None = None
    failure: PluginError | None = None
