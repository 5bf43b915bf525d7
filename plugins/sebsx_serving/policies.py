"""How many workers there are, decided once a period from what was seen, in real sandboxes as in simulated ones."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sebsx.stats import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLD_S = 0.5
HYBRID, HORIZONTAL, CONCURRENCY, BARE = "hybrid", "horizontal", "concurrency", "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a period showed.

    Args:
        p99_s: Of the latencies of requests that ended in it and the ages of those that still wait; None without any.
        busy: Share of the workers' time in which they worked.
    """

    p99_s: float | None
    busy: float


def observed(latencies_s: Sequence[float], waiting_s: Sequence[float], busy_s: float, workers_s: float) -> Observed:
    """Return what a period showed.

    Args:
        latencies_s: Of requests that ended in it.
        waiting_s: Ages of those that were waiting at its end: under overload few end, and those are not the slow ones.
        busy_s: Time that workers worked.
        workers_s: Time that there were workers, each counted.
    """
    seen = [*latencies_s, *waiting_s]
    return Observed(
        p99_s=quantile(seen, 0.99) if seen else None, busy=min(1.0, busy_s / workers_s) if workers_s else 0.0
    )


class ScalingPolicy(ABC):
    """A rule for the number of workers.

    Class attributes:
        name: What a user types.
        mode: What a worker is: `threads` in one sandbox, `processes` that boot and load on their own.
        summary: One line.
    """

    name: ClassVar[str]
    mode: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def first(self, most: int) -> int:
        """Return the number of workers at the beginning; `most` is the cap."""

    @abstractmethod
    def next(self, workers: int, seen: Observed, most: int) -> int:
        """Return the number of workers after a period, never fewer than before."""

    def on_arrival(self, workers: int, in_system: int, most: int) -> int:
        """Return the number of workers when a request arrives, where it is counted among those in the system."""
        return workers


class Hybrid(ScalingPolicy):
    """One sandbox whose processors and worker pool double while p99 is above 500 ms: 1, 2, 4, .. 32, 56."""

    name = HYBRID
    mode = "threads"
    summary = "one sandbox, whose processors and workers double while p99 > 500 ms"

    def first(self, most: int) -> int:
        """Return one."""
        return 1

    def next(self, workers: int, seen: Observed, most: int) -> int:
        """Return twice as many while p99 is too high."""
        return min(most, 2 * workers) if seen.p99_s is not None and seen.p99_s > THRESHOLD_S else workers


class Horizontal(ScalingPolicy):
    """Pods of one processor, by the rule of the Kubernetes autoscaler at a target of 80 % of the processor.

    Source: Kubernetes documentation, Horizontal Pod Autoscaling: ceil(pods * usage / target), no change within 10 %,
    and at most twice as many or four more in a step.
    """

    name = HORIZONTAL
    mode = "processes"
    summary = "pods of one processor each, as many as keep them 80 % busy"
    _TARGET, _TOLERANCE, _MORE = 0.8, 0.1, 4

    def first(self, most: int) -> int:
        """Return one."""
        return 1

    def next(self, workers: int, seen: Observed, most: int) -> int:
        """Return how many would be 80 % busy."""
        ratio = seen.busy / self._TARGET
        if ratio <= 1 + self._TOLERANCE:
            return workers
        return min(most, math.ceil(workers * ratio), max(2 * workers, workers + self._MORE))


class TargetConcurrency(ScalingPolicy):
    """A sandbox for each request in flight, as on AWS Lambda: whoever finds none idle waits for a new one."""

    name = CONCURRENCY
    mode = "processes"
    summary = "one sandbox for each request in flight, as functions of clouds are scaled"

    def first(self, most: int) -> int:
        """Return none: the first request starts the first sandbox."""
        return 0

    def next(self, workers: int, seen: Observed, most: int) -> int:
        """Return the same: arrivals decide."""
        return workers

    def on_arrival(self, workers: int, in_system: int, most: int) -> int:
        """Return as many as there are requests in flight."""
        return min(most, max(workers, in_system))


class Bare(ScalingPolicy):
    """All processors and workers from the beginning: what scaling is held against."""

    name = BARE
    mode = "threads"
    summary = "all processors and workers from the beginning"

    def first(self, most: int) -> int:
        """Return all."""
        return most

    def next(self, workers: int, seen: Observed, most: int) -> int:
        """Return all."""
        return workers


POLICIES: dict[str, ScalingPolicy] = {
    policy.name: policy for policy in (Hybrid(), Horizontal(), TargetConcurrency(), Bare())
}
