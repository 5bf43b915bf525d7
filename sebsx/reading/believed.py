"""Quantiles that may be believed: the one door to them for tables, gates, comparisons, choices and exports.

What was not answered is as late as can be, calls of one sandbox are one unit, a tail that the sample is too small to
have seen is refused, and so is what the load generator may have made itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.reading.estimates import median_estimate, median_of_requests, tail_estimate

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


def quantile_of_requests(
    condition: Condition, metric: str, values: Observations, q: float = 0.5, confidence: float = 0.95
) -> Estimate:
    """Return a quantile of the requests of a load: its interval counts each sandbox by what it answered.

    Most of many sandboxes may have answered one request each, their first, so that the median of their medians is not
    that of the requests. `values` are those of the metric, or `Observations.answered` of them.
    """
    found = median_of_requests(values, confidence) if q == 0.5 else tail_estimate(values, q, confidence)
    return condition.punctuality.believed(found, q, metric)


def believed(
    condition: Condition, metric: str, values: Observations, q: float = 0.5, confidence: float = 0.95
) -> Estimate:
    """Return a quantile of some values of a condition's metric, or what speaks against it.

    Args:
        condition: Whose invocations they are of.
        metric: What they are, or the time of the client that they are made of.
        values: With what was not answered (`Condition.late`), where they are times that a user waits.
        q: Share below it.
        confidence: Of the interval.
    """
    return condition.punctuality.believed(quantile_of_units(values, q, confidence), q, metric)


def quantile_of_units(values: Observations, q: float = 0.5, confidence: float = 0.95) -> Estimate:
    """Return a quantile of what no client timed, such as messages between functions, with what was not answered."""
    return median_estimate(values, confidence) if q == 0.5 else tail_estimate(values, q, confidence)
