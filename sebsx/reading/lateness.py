"""Which quantiles a load generator made itself: by sending late, or by waiting for a processor to take an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.analyzers import Estimate
    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Frame, Numbers

RESPONSE = "client.response_s"
_PREFIX = "generator."
# A delay is of no matter below this share of the number it is part of, and below what timers alone cost.
_SHARE = 0.05
_LEAST_S = 1e-4


@dataclass(frozen=True, kw_only=True)
class Punctuality:
    """How late the requests of a condition were.

    Args:
        lateness_s: Sent minus intended of each request that was sent.
        answered_s: Time since it was sent of each that had a good answer, and infinity for each that had none.
        late_s: Lateness of each of those.
        waiting: Share of the time in which the generator's thread waited for a processor: so large is the share of the
            requests or answers that came meanwhile. 0 where it is not known.
        wait_s: How long it waited each time, on average.
    """

    lateness_s: Numbers
    answered_s: Numbers
    late_s: Numbers
    waiting: float = 0.0
    wait_s: float = 0.0

    @classmethod
    def of(cls, frame: Frame, generator: Mapping[str, float]) -> Punctuality:
        """Return that of some invocations, and of the generator's thread where its figures (`generators`) are known."""
        duration_s, runqueue_s, turns = (generator.get(name, 0.0) for name in ("duration_s", "runqueue_s", "turns"))
        import numpy as np  # heavy

        late_s = frame["client.response_s"] - frame["client.latency_s"]
        ok = frame.equals("status", "ok")
        found = cls(
            lateness_s=late_s[~frame.equals("status", "dropped")],
            answered_s=np.where(ok, frame["client.latency_s"], np.inf),
            late_s=np.where(ok, late_s, 0.0),
        )
        if not runqueue_s or not turns or duration_s <= 0:
            return found
        return replace(found, waiting=min(1.0, runqueue_s / duration_s), wait_s=runqueue_s / turns)

    def believed(self, estimate: Estimate, q: float, metric: str) -> Estimate:
        """Return a quantile of a metric, or what speaks against it.

        It is refused where more than 1 - q of the requests were delayed by the generator, by what matters to this very
        number: the tail beyond it can then be the generator's own. A response time is refused as well where it would
        be so much shorter had the same requests been sent in time.

        Args:
            estimate: The quantile.
            q: Share below it.
            metric: Of what. Only times of the client are the generator's too, and only the response time counts from
                the intended time: a late start does not change what counts from the sent time.
        """
        if estimate.value is None or not len(self.lateness_s) or not metric.startswith("client."):
            return estimate
        allowed_s = max(_LEAST_S, _SHARE * estimate.value)
        late = float((self.lateness_s > allowed_s).mean()) if metric == RESPONSE else 0.0
        waiting = self.waiting if self.wait_s > allowed_s else 0.0
        if max(late, waiting) <= 1 - q:
            if metric != RESPONSE or (made_s := self._made_s(q)) <= allowed_s:
                return estimate
            note = f"the generator was late, which made {1e3 * made_s:.2g} ms of it"
        elif late >= waiting:
            note = f"the generator was late: {100 * late:.2g} % of the requests by more than {1e3 * allowed_s:.2g} ms"
        else:
            note = f"the generator waited for a processor {100 * waiting:.2g} % of the time"
        return replace(estimate, value=None, low=None, high=None, note=note)

    def _made_s(self, q: float) -> float:
        """Return how much longer lateness made a quantile of the response times."""
        import numpy as np  # heavy

        sides = (self.answered_s + self.late_s, self.answered_s)
        late_s, punctual_s = (float(np.quantile(side, q, method="lower")) for side in sides)
        return late_s - punctual_s if np.isfinite(late_s) else 0.0


def generators(view: RunView) -> dict[int | None, dict[str, float]]:
    """Return the generator's figures of the last phase of load in each cell, by name without `generator.`.

    A phase that was cut short has none but its start.
    """
    found: dict[int | None, dict[str, float]] = {}
    for value in view.values():
        if value.metric.startswith(_PREFIX) and value.value is not None:
            name = value.metric.removeprefix(_PREFIX)
            if name == "started_s":
                found[value.cell_id] = {}  # an earlier phase was interrupted: its figures are not of this one
            found.setdefault(value.cell_id, {})[name] = value.value
    return found
