"""Quantiles of how late a load generator was, in constant memory."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
