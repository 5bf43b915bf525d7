"""Schedules that keep sandboxes warm: by a law, and with the probability of the survival curve."""

from __future__ import annotations

import math

import pytest

from sebsx_eviction.models import ModelFit
from sebsx_eviction.warming import Warming, by_rule, chance_of, cheapest

# Nearly all of those live 10 s, half 20 s, a tenth 40 s.
CURVE = [(10.0, 0.999), (20.0, 0.5), (40.0, 0.1), (80.0, 0.0)]


def test_sandboxes_that_go_after_a_time_are_called_just_before_it() -> None:
    fixed = ModelFit("fixed", 20.0, 19.0, 21.0, 0.0, 0.0, 4.0, 1.0)
    warming = by_rule(fixed, 3, 0.99, 30.0)
    assert warming is not None
    assert (warming.sandboxes, warming.period_s) == (3, 19.0)
    assert warming.calls_per_month == pytest.approx(3 * 730 * 3600 / 19)


def test_sandboxes_that_go_at_random_are_kept_by_calling_more_of_them_less_often() -> None:
    mean_s = 100.0
    fitted = ModelFit("exponential", 110.0, mean_s, 120.0, 0.0, 0.0, 4.0, 1.0)
    warming = by_rule(fitted, 1, 0.99, 300.0)
    assert warming is not None

    def period_s(called: int) -> float:
        # One of `called` is left: 1 - (1 - e^(-t / mean))^called = 0.99.
        return -mean_s * math.log(1 - 0.01 ** (1 / called))

    rates = {called: called / period_s(called) for called in range(1, 15)}
    assert warming.sandboxes == min(rates, key=lambda called: rates[called])
    assert warming.period_s == pytest.approx(period_s(warming.sandboxes))
    assert rates[warming.sandboxes] < rates[1] / 9


def test_where_nothing_goes_the_longest_time_seen_is_safe() -> None:
    stays = ModelFit("none", None, None, None, 0.0, 0.0, 2.0, None)
    warming = by_rule(stays, 2, 0.99, 30.0)
    assert warming is not None
    assert (warming.sandboxes, warming.period_s) == (2, 30.0)


def test_probability_of_a_schedule_is_that_of_the_next_idle_time_seen() -> None:
    assert chance_of(Warming(1, 10.0), 1, CURVE) == pytest.approx(0.999)
    assert chance_of(Warming(2, 12.0), 1, CURVE) == pytest.approx(
        1 - 0.5**2
    )  # between 10 and 20 s it may be as at 20 s
    assert chance_of(Warming(3, 20.1), 2, CURVE) == pytest.approx(0.5)  # within a hundredth it is the same idle time
    assert chance_of(Warming(9, 81.0), 1, CURVE) is None


def test_without_a_law_the_cheapest_schedule_is_that_of_the_curve() -> None:
    # For 0.9: 1 every 10 s; 4 every 20 s (1 - 1/16); 22 every 40 s (1 - 0.9^22 = 0.902).
    assert cheapest(CURVE, None, 1, 0.9) == Warming(1, 10.0)
    # For 0.9995: 2 every 10 s; 11 every 20 s: 0.2 against 0.55 calls a second.
    assert cheapest(CURVE, None, 1, 0.9995) == Warming(2, 10.0)
    assert cheapest([(10.0, 0.5), (20.0, 0.5)], None, 1, 0.9) == Warming(4, 20.0)
    assert cheapest([(10.0, 0.0)], None, 1, 0.9) is None


def test_schedule_of_a_law_is_taken_where_the_curve_allows_it() -> None:
    fixed = ModelFit("fixed", 15.0, 10.05, 20.0, 0.0, 0.0, 4.0, 1.0)
    assert cheapest(CURVE, fixed, 1, 0.9) == Warming(1, 10.05)
    too_long = ModelFit("fixed", 30.0, 20.0, 40.0, 0.0, 0.0, 4.0, 1.0)
    assert cheapest(CURVE, too_long, 1, 0.9) == Warming(1, 10.0)
