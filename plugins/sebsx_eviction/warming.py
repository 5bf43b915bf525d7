"""Schedules of calls that keep sandboxes warm, and with which probability they do, by the survival curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.model.prices import MONTH_S
from sebsx_eviction.models import EXPONENTIAL, NONE, SAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx_eviction.models import ModelFit

    Steps = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Warming:
    """A schedule of calls that keeps sandboxes warm.

    Args:
        sandboxes: How many are called at once, some of which may be lost between two times.
        period_s: Time between two such bursts.
    """

    sandboxes: int
    period_s: float

    @property
    def calls_per_month(self) -> float:
        """Calls in a month of 730 hours."""
        return self.sandboxes * MONTH_S / self.period_s


def chance_of(warming: Warming, wanted: int, steps: Steps) -> float | None:
    """Return the probability that at least `wanted` are there at the end of a period, by the survival curve.

    That of the next idle time that was seen; None beyond the longest. Sandboxes are taken to go independently.

    Args:
        warming: The schedule.
        wanted: Sandboxes wanted, at least 1.
        steps: The curve: (idle time in s, share that lives longer), as `survival_steps` returns it.
    """
    share = next((share for at_s, share in steps if at_s * (1 + SAME) >= warming.period_s), None)
    return None if share is None else _at_least(wanted, warming.sandboxes, share)


def cheapest(steps: Steps, fit: ModelFit | None, wanted: int, probability: float) -> Warming | None:
    """Return the schedule with the fewest calls that keeps `wanted` sandboxes with a probability.

    The probability is that of the survival curve. Where a law fits, its schedule is taken if it reaches the probability
    by the curve: its times lie between those that were seen. None where no idle time seen was short enough.

    Args:
        steps: The curve.
        fit: A law that fits; None where none does.
        wanted: Sandboxes wanted, at least 1.
        probability: That so many are there at the end of a period, 0 < probability < 1.
    """
    found = list(_by_curve(steps, wanted, probability))
    if fit is not None:
        by_law = by_rule(fit, wanted, probability, steps[-1][0] if steps else 0.0)
        chance = None if by_law is None else chance_of(by_law, wanted, steps)
        if by_law is not None and chance is not None and chance >= probability:
            found.append(by_law)
    return min(found, key=lambda warming: warming.calls_per_month, default=None)


def _by_curve(steps: Steps, wanted: int, probability: float) -> Iterator[Warming]:
    for at_s, share in steps:
        enough = (called for called in _numbers(wanted) if _at_least(wanted, called, share) >= probability)
        if at_s > 0 and (called := next(enough, None)) is not None:
            yield Warming(called, at_s)


def by_rule(fit: ModelFit, wanted: int, probability: float, longest_s: float) -> Warming | None:
    """Return the schedule with the fewest calls after which `wanted` sandboxes are there with a probability, by a law.

    Fixed and halving: no more than are wanted, just before the first can go (twice as many every second period cost
    the same under halving). Exponential: some more, called less often; as many as make the fewest calls. The cautious
    end of the parameter's interval is used.

    Args:
        fit: The model.
        wanted: Sandboxes wanted, at least 1.
        probability: That so many are there at the end of a period, 0 < probability < 1.
        longest_s: Longest idle time seen, for a model of which no end was seen.

    Returns:
        None where the model gives no period.
    """
    if fit.model == NONE:
        return Warming(wanted, longest_s) if longest_s > 0 else None
    if fit.low_s is None:
        return None
    if fit.model != EXPONENTIAL:
        return Warming(wanted, fit.low_s)
    mean_s = fit.low_s
    return min(
        (Warming(called, _period(mean_s, called, wanted, probability)) for called in _numbers(wanted)),
        key=lambda warming: warming.calls_per_month,
    )


def _numbers(wanted: int) -> range:
    return range(wanted, 4 * wanted + 20)


def _at_least(wanted: int, called: int, share: float) -> float:
    """Return the probability that at least so many of those called are there, of which each is with a chance."""
    from scipy.special import betainc

    # P(at least k of m) with chance s each is the distribution function of Beta(k, m - k + 1) at s.
    return float(betainc(wanted, called - wanted + 1, min(1.0, max(0.0, share))))


def _period(mean_s: float, called: int, wanted: int, probability: float) -> float:
    """Return after which time at least `wanted` of `called` are left with a probability, each leaving at a rate."""
    from scipy.special import betaincinv

    share = float(betaincinv(wanted, called - wanted + 1, probability))
    return -mean_s * math.log(share)
