"""Quantiles of a condition that may be believed: the one rule for tables, gates, comparisons, choices and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.reading.estimates import median_estimate, tail_estimate

if TYPE_CHECKING:
    from sebsx.contracts.analyzers import Estimate
    from sebsx.reading.blocks import Observations
    from sebsx.reading.conditions import Condition


def quantile_of(condition: Condition, metric: str, q: float = 0.5, confidence: float = 0.95) -> Estimate:
    """Return a quantile of what counts of a metric; in times of the client, what was not answered is as late as can be.

    One that the load generator may have made itself is refused, and one that lies among what was not answered.
    """
    return believed(condition, metric, condition.observed(metric), q, confidence)


def quantile_of_answered(condition: Condition, metric: str, q: float = 0.5, confidence: float = 0.95) -> Estimate:
    """Return a quantile of the answered ones alone."""
    return believed(condition, metric, condition.observed(metric).answered, q, confidence)


def believed(condition: Condition, metric: str, values: Observations, q: float, confidence: float) -> Estimate:
    """Return a quantile of some values of a condition's metric, or what speaks against it."""
    found = median_estimate(values, confidence) if q == 0.5 else tail_estimate(values, q, confidence)
    return condition.punctuality.believed(found, q, metric)
