"""Whether the load generator kept its own promises: lateness, drops, and how busy it was."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A generator whose p99 lateness is above both of these, or whose thread was busier, measured itself.
LATENESS_S = 0.005
LATENESS_SHARE = 0.05
BUSY_SHARE = 0.8
# A start is late when it comes this much after its time; timers alone cost 0.1 ms.
LATE_S = 0.001

_STEPS = 100  # buckets for each factor of e: a quantile is right to 1 %


class Histogram:
    """Quantiles of any number of durations in constant memory, right to 1 %; below a microsecond is 0."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.n = 0
        self.largest = 0.0

    def add(self, values_s: Sequence[float]) -> None:
        """Take in durations."""
        if not values_s:
            return
        self.n += len(values_s)
        self.largest = max(self.largest, *values_s)
        log = math.log
        self._counts.update([int(log(value_s * 1e6) * _STEPS) if value_s > 1e-6 else -1 for value_s in values_s])

    def quantile(self, q: float) -> float:
        """Return the value that a share `q` of the durations does not exceed; 0 for none."""
        wanted, seen = q * self.n, 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return min(self.largest, math.exp((bucket + 0.5) / _STEPS) * 1e-6) if bucket >= 0 else 0.0
        return 0.0


@dataclass(frozen=True, slots=True)
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
            )
        if self.cpu_share > BUSY_SHARE:
            reasons.append(f"the generator was saturated: its thread was busy {self.cpu_share:.0%} of the time")
        return "; ".join(reasons)
