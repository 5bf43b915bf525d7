"""Medians and tails of what was observed, with their intervals, or with a note in place of what cannot be said."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.blocks import Observations, in_sandboxes
from sebsx.stats import (
    LEAST_ALIKE,
    LEAST_BLOCKS,
    NotReachedError,
    TooFewSamplesError,
    mean_interval,
    quantile,
    quantile_interval_of_all,
    quantile_interval_of_blocks,
    quantile_of_all,
    tail_samples,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.model.frame import Numbers

TOO_SMALL = "n too small"


def median_estimate(
    values: Observations | Numbers | Sequence[float], confidence: float = 0.95, unserved: int = 0
) -> Estimate:
    """Return a median with its exact interval, or with a note instead of what cannot be said.

    Args:
        values: In any order: observations, of which those of one sandbox are one unit; or units.
        confidence: Of the interval.
        unserved: How many more there were that have no time because they were not answered: later than all of `values`.
            Observations know it themselves.
    """
    if isinstance(values, Observations):
        if values.singles or not len(values):
            return median_estimate(values.values, confidence, values.unserved)
        return _median_of_blocks(values, confidence)
    if not len(values) + unserved:
        return Estimate(None, note="no samples")
    return _quantile_estimate(values, 0.5, confidence, unserved, small=TOO_SMALL)


def _median_of_blocks(values: Observations, confidence: float) -> Estimate:
    """Return the median over the sandboxes of their medians; what was not answered counts as sandboxes of its own."""
    unserved, n = values.unserved, len(values) + values.unserved
    none = Estimate(None, confidence=confidence, n=n, blocks=values.count)
    late = len(values.units) - len(values.medians)
    try:
        quantile_of_all(values.values, unserved, 0.5)
    except NotReachedError as exc:
        return _not_reached(none, exc)
    # Of sandboxes there is no fraction: of one that answered all calls but one, the median is not out of reach.
    known = replace(none, value=quantile(values.medians, min(1.0, 0.5 * n / len(values))))
    if values.count < LEAST_BLOCKS:
        return replace(known, note=in_sandboxes(values.count))
    try:
        interval = quantile_interval_of_all(values.medians, late, 0.5, confidence)
    except TooFewSamplesError:
        return replace(known, note=TOO_SMALL)
    except NotReachedError:
        return replace(known, note=f"upper end {NotReachedError(unserved, n)}")
    return replace(known, low=interval.low, high=interval.high)


def median_of_requests(values: Observations, confidence: float = 0.95) -> Estimate:
    """Return the median of all requests, with its interval over the sandboxes, which count by what they answered."""
    found = median_estimate(values.values, confidence, values.unserved)
    if values.singles or found.value is None:
        return found
    found = replace(found, low=None, high=None, note="", blocks=values.count)
    if values.caution:
        return replace(found, note=in_sandboxes(values.count))
    try:
        interval = quantile_interval_of_blocks(values.values, values.blocks, values.unserved, 0.5, confidence)
    except NotReachedError as exc:
        return replace(found, note=f"upper end {exc}")
    except TooFewSamplesError:
        return replace(found, note=TOO_SMALL)
    return replace(found, low=interval.low, high=interval.high)


def tail_estimate(
    values: Observations | Numbers | Sequence[float], q: float, confidence: float = 0.95, unserved: int = 0
) -> Estimate:
    """Return a tail quantile, or a note where the sample is too small to have seen that tail.

    Its interval is left out where the tail was seen, but not often enough to bound it, and where calls share a sandbox,
    since they are not independent then. `values` and `unserved` are as for the median.
    """
    if isinstance(values, Observations):
        found = tail_estimate(values.values, q, confidence, values.unserved)
        return found if values.singles else replace(found, low=None, high=None, blocks=values.count)
    if (n := len(values) + unserved) < tail_samples(q):
        return Estimate(None, n=n, note=TOO_SMALL)
    return _quantile_estimate(values, q, confidence, unserved)


def mean_estimate(values: Observations, factor: float, confidence: float) -> Estimate:
    """Return the mean times a factor; costs add up, so their mean is the right one, and a sandbox is a unit of it."""
    n = len(values)
    if n == 0:
        return Estimate(None, confidence=confidence)
    mean, blocks = float(values.values.mean()), None if values.singles else values.count
    note = TOO_SMALL if values.singles or values.count >= LEAST_BLOCKS else in_sandboxes(values.count)
    try:
        # Calls of a warm sandbox that count hold no cold one; where each unit is a call, a rare kind may be unseen.
        interval = (
            mean_interval(values.means, confidence)
            if values.singles
            else mean_interval(values.means, confidence, least=LEAST_ALIKE)
        )
    except TooFewSamplesError:
        return Estimate(mean * factor, confidence=confidence, n=n, note=note, blocks=blocks)
    mean = min(max(mean, interval.low), interval.high)  # of equal costs, it is a rounding error beside them
    return Estimate(
        mean * factor, low=interval.low * factor, high=interval.high * factor, confidence=confidence, n=n, blocks=blocks
    )


def late_side(base: Observations, new: Observations) -> NotReachedError:
    """Return how much was not answered of the side of which that is more, as what is said of what it hides."""
    sides = ((side.unserved, len(side) + side.unserved) for side in (base, new))
    return NotReachedError(*max(sides, key=lambda side: side[0] / side[1] if side[1] else 0.0))


def between(
    value: float, low: float, high: float, late: NotReachedError, confidence: float, n: int, *, least: float = -math.inf
) -> Estimate:
    """Return a ratio or a difference of two samples, without what lies among what was not answered.

    Args:
        value: Of the two.
        low: Lower end of its interval.
        high: Upper end.
        late: What is said of what was not answered (`late_side`).
        confidence: Of the interval.
        n: Units of a side.
        least: What a value made of unanswered ones of the base has, beside infinity: 0 for a ratio.
    """
    if not least < value < math.inf:
        return _not_reached(Estimate(None, confidence=confidence, n=n), late)
    if least < low and high < math.inf:
        return Estimate(value, low=low, high=high, confidence=confidence, n=n)
    end = "upper" if least < low else "lower"
    return Estimate(value, confidence=confidence, n=n, note=f"{end} end {late}")


def _quantile_estimate(
    values: Numbers | Sequence[float], q: float, confidence: float, unserved: int, small: str = ""
) -> Estimate:
    """Return a quantile of all that was asked for; `small` is the note where there are too few for an interval."""
    n = len(values) + unserved
    try:
        value = quantile_of_all(values, unserved, q)
    except NotReachedError as exc:
        return _not_reached(Estimate(None, confidence=confidence, n=n), exc)
    try:
        interval = quantile_interval_of_all(values, unserved, q, confidence)
    except TooFewSamplesError:
        return Estimate(value, confidence=confidence, n=n, note=small)
    except NotReachedError as exc:
        return Estimate(value, confidence=confidence, n=n, note=f"upper end {exc}")
    return Estimate(value, low=interval.low, high=interval.high, confidence=confidence, n=n)


def _not_reached(none: Estimate, why: NotReachedError) -> Estimate:
    """Return an estimate that lies among what was never answered."""
    return replace(none, note=str(why), unserved=why.share)
