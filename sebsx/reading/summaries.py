"""A condition in numbers: the same for tables, gates and exports."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate
from sebsx.model.metrics import CORE_METRICS, Metric
from sebsx.reading.believed import believed

if TYPE_CHECKING:
    from sebsx.reading.blocks import Observations
    from sebsx.reading.conditions import Condition

ANSWERED = "_answered"
"""Behind the name of a statistic: of the answered invocations alone."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One statistic of one metric of a condition, in the metric's unit."""

    metric: Metric
    statistic: str
    _: KW_ONLY
    estimate: Estimate

    @property
    def name(self) -> str:
        """A stable name for other tools: `client.latency_s.p50`."""
        return f"{self.metric.name}.{self.statistic}"


COST_PER_MILLION = Metric("cost_per_million_usd", "USD", meaning="mean cost of an invocation, times a million")
ERRORS = Metric("errors", "1", meaning="share of the measured invocations that failed")
_METRICS = {metric.name: metric for metric in CORE_METRICS}
_SUMMARISED = (
    "client.latency_s", "client.response_s", "function.duration_s", "provider.duration_s", "provider.init_s",
    "provider.billed_s", "provider.max_memory_bytes",
)  # fmt: skip
_TAILS = {"p90": 0.9, "p99": 0.99}


def summaries(condition: Condition, confidence: float = 0.95) -> list[Summary]:
    """Return what there is to say of a condition in numbers: the same for tables, gates and exports.

    Medians stand with their order-statistic interval; a tail or an interval that the sample is too small for stands
    as a note. Quantiles of the client's times are of all that was measured, unanswered ones being later than any
    answer; where there are some, those of the answered ones stand beside them as `p50_answered`. Costs add up, so
    theirs is the mean. A metric that nothing reported is left out.
    """
    counted = condition.counted
    found = []
    for name in _SUMMARISED:
        values = condition.observed(name)
        if name.startswith("client."):
            found += _of_client(_METRICS[name], values, condition, confidence)
        elif len(values):
            found.append(Summary(_METRICS[name], "p50", estimate=believed(condition, name, values, 0.5, confidence)))
    for name, metric in condition.figures.items():
        values = condition.observed(name)
        if len(values) and name not in _SUMMARISED:
            found += _quantiles(metric, values, condition, confidence)
    cost = counted.known("cost_usd")
    if len(cost):
        found.append(Summary(COST_PER_MILLION, "mean", estimate=Estimate(float(cost.mean()) * 1e6, n=len(cost))))
    if len(condition.frame):
        share = condition.unserved / len(condition.frame)
        found.append(Summary(ERRORS, "share", estimate=Estimate(share, n=len(condition.frame))))
    return found


def _of_client(metric: Metric, values: Observations, condition: Condition, confidence: float) -> list[Summary]:
    """Return the quantiles of a time of the client: of all, and where some were not answered, of the answered ones."""
    if not len(values) + values.unserved:
        return []
    found = _quantiles(metric, values, condition, confidence)
    if values.unserved and len(values):
        found += _quantiles(metric, values.answered, condition, confidence, suffix=ANSWERED)
    return found


def _quantiles(
    metric: Metric, values: Observations, condition: Condition, confidence: float, suffix: str = ""
) -> list[Summary]:
    return [
        Summary(metric, f"{name}{suffix}", estimate=believed(condition, metric.name, values, q, confidence))
        for name, q in {"p50": 0.5, **_TAILS}.items()
    ]
