"""What a comparison is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model.metrics import Metric

SANDBOX = "sandbox"  # allowed: calls of one sandbox are taken as if each had its own


@dataclass(frozen=True, slots=True)
class Options:
    """What to compare and what counts as a change.

    Args:
        metrics: Names or patterns (`phase.*_s`); none for client latency, and the duration of executions where there
            are any. Failures are always compared where there are some.
        threshold: Smallest change that matters, as a share.
        thresholds: The same for some metrics, by name or pattern.
        alpha: Chance of any false alarm among all rows; 1 - alpha is the confidence of the intervals.
        factor: Compare the levels of this factor within one run; empty for the one that has a base side.
        base: Level that the others are compared with; empty for the factor's base or the first.
        allow: Facts that may differ; `sandbox` takes calls as units, whatever sandbox they share.
    """

    metrics: tuple[str, ...] = ()
    threshold: float = 0.05
    thresholds: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    factor: str = ""
    base: str = ""
    allow: frozenset[str] = frozenset()

    def threshold_of(self, metric: Metric) -> float:
        """Return the smallest change of a metric that matters."""
        own = self.own_threshold(metric)
        return self.threshold if own is None else own

    def own_threshold(self, metric: Metric) -> float | None:
        """Return what was set for a metric: by its name, else by a pattern; None where nothing was."""
        if metric.name in self.thresholds:
            return self.thresholds[metric.name]
        return next((share for name, share in self.thresholds.items() if fnmatchcase(metric.name, name)), None)
