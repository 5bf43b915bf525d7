"""Which quantiles a load generator made itself: by sending late, or by waiting for a processor to take an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sebsx.contracts.analyzers import Estimate
    from sebsx.model.frame import Frame, Numbers

# A delay is of no matter below this share of the number it is part of, and below what timers alone cost.
_SHARE = 0.05
_LEAST_S = 1e-4


@dataclass(frozen=True, kw_only=True)
class Punctuality:
    """How late the requests of a condition were.

    Args:
        lateness_s: Sent minus intended of each request that was sent.
        waiting: Share of the time in which the generator's thread waited for a processor: so large is the share of the
            requests or answers that came meanwhile. 0 where it is not known.
        wait_s: How long it waited each time, on average.
    """

    lateness_s: Numbers
    waiting: float = 0.0
    wait_s: float = 0.0

    @classmethod
    def of(
        cls, frame: Frame, *, duration_s: float = 0.0, runqueue_s: float | None = None, turns: float | None = None
    ) -> Punctuality:
        """Return that of some invocations, and of the generator's thread where its figures are known."""
        sent = frame["client.response_s"] - frame["client.latency_s"]
        sent = sent[~frame.equals("status", "dropped")]
        if not runqueue_s or not turns or duration_s <= 0:
            return cls(lateness_s=sent)
        return cls(lateness_s=sent, waiting=min(1.0, runqueue_s / duration_s), wait_s=runqueue_s / turns)

    def believed(self, estimate: Estimate, q: float, *, response: bool = True) -> Estimate:
        """Return a quantile of a time, or what speaks against it.

        It is refused where more than 1 - q of the requests were delayed by the generator, by what matters to this very
        number: the tail beyond it can then be the generator's own.

        Args:
            estimate: The quantile.
            q: Share below it.
            response: Whether it counts from the intended time. One from the sent time is not changed by a late start.
        """
        if estimate.value is None or not len(self.lateness_s):
            return estimate
        allowed_s = max(_LEAST_S, _SHARE * estimate.value)
        late = float((self.lateness_s > allowed_s).mean()) if response else 0.0
        waiting = self.waiting if self.wait_s > allowed_s else 0.0
        if max(late, waiting) <= 1 - q:
            return estimate
        if late >= waiting:
            note = f"the generator was late: {100 * late:.2g} % of the requests by more than {1e3 * allowed_s:.2g} ms"
        else:
            note = f"the generator waited for a processor {100 * waiting:.2g} % of the time"
        return replace(estimate, value=None, low=None, high=None, note=note)
