"""Estimates of observations or of two, by their sandboxes, with a note instead of what cannot be said of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.blocks import in_sandboxes, paired
from sebsx.reading.estimates import TOO_SMALL, between, late_side
from sebsx.stats import (
    Interval,
    TooFewSamplesError,
    UnusableSamplesError,
    median,
    paired_ratio_interval,
    ratio_interval,
    shift_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.model.frame import Numbers
    from sebsx.reading.blocks import Observations
    from sebsx.stats import NotReachedError


def ratio_estimate(values: Observations, base: Observations, confidence: float) -> Estimate:
    """Return the median of all ratios of a sandbox to one of the base, with its interval."""
    return _of_two(ratio_interval, values, base, confidence, late_side(base, values), least=0.0)


def difference_estimate(values: Observations, base: Observations, confidence: float) -> Estimate:
    """Return the median of all differences of a sandbox and one of the base, with its interval."""
    return _of_two(shift_interval, values, base, confidence, late_side(base, values))


def paired_ratio_estimate(values: Observations, base: Observations, confidence: float) -> Estimate | None:
    """Return the typical ratio of pairs of sandboxes that shared rounds; None where the two share no round.

    What drifts between the rounds cancels.
    """
    new, old = paired(values, base)
    if not len(new):
        return None
    found = _of_two(paired_ratio_interval, new, old, confidence, late_side(base, values), least=0.0)
    if found.value is None and (old.medians > 0).all() and not (values.unserved or base.unserved):
        note = TOO_SMALL if values.singles and base.singles else found.note
        return Estimate(median(new.medians / old.medians), confidence=confidence, n=len(new.medians), note=note)
    return found


def _of_two(
    estimator: Callable[[Numbers, Numbers, float], tuple[float, Interval]],
    values: Observations,
    base: Observations,
    confidence: float,
    late: NotReachedError,
    *,
    least: float = -math.inf,
) -> Estimate:
    try:
        value, interval = estimator(values.units, base.units, confidence)
    except TooFewSamplesError:
        fewest = min(values, base, key=lambda side: side.count)
        return Estimate(None, confidence=confidence, note=TOO_SMALL if fewest.singles else in_sandboxes(fewest.count))
    except UnusableSamplesError:
        return Estimate(None, confidence=confidence, note="not all above 0")
    return between(value, interval.low, interval.high, late, confidence, interval.n, least=least)
