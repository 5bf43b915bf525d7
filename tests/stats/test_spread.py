from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, hmean

from sebsx.stats import LEAST_ALIKE, TooFewSamplesError, UnusableSamplesError, cv, harmonic_mean, mean_interval


def test_coefficient_of_variation() -> None:
    # mean 5, sum of squares 32, sample variance 32 / 7
    assert cv([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx(math.sqrt(32 / 7) / 5)
    assert cv([1.0]) is None
    assert cv([-1.0, 1.0]) is None


def test_mean_of_rates_is_work_over_time() -> None:
    # 60 km at 60 and 60 km at 20: 120 km in 4 h
    assert harmonic_mean([60.0, 20.0]) == pytest.approx(30.0)
    assert harmonic_mean([1.5, 7.0, 3.25]) == pytest.approx(float(hmean([1.5, 7.0, 3.25])))


def test_rate_of_zero_has_no_mean() -> None:
    with pytest.raises(UnusableSamplesError, match="1 of 2 samples: not above 0"):
        harmonic_mean([60.0, 0.0])


def test_interval_of_the_mean_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(1, 200)
    interval = mean_interval(values)
    theirs = bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(9)).confidence_interval
    width = theirs.high - theirs.low
    assert interval.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert interval.high == pytest.approx(theirs.high, abs=0.05 * width)
    assert interval.high - values.mean() > values.mean() - interval.low  # leans towards the tail, unlike a normal one


def test_interval_of_the_mean_depends_on_nothing_but_the_values() -> None:
    values = np.random.default_rng(1).exponential(1, 50)
    assert mean_interval(values) == mean_interval(values[::-1]) == mean_interval(values.tolist())
    assert mean_interval(values) != mean_interval(values, seed=1)


@pytest.mark.slow
def test_interval_of_the_mean_of_many_agrees_with_resampling() -> None:
    values = np.random.default_rng(1).lognormal(0, 1, 2500)
    interval = mean_interval(values)
    theirs = bootstrap((values,), np.mean, method="BCa", batch=500, rng=np.random.default_rng(9)).confidence_interval
    width = theirs.high - theirs.low
    assert interval.low == pytest.approx(theirs.low, abs=0.04 * width)
    assert interval.high == pytest.approx(theirs.high, abs=0.04 * width)


def test_interval_of_the_mean_of_many_is_the_normal_one_with_a_term_for_skewness() -> None:
    # One in ten costs 5, else 1: mean 1.4, deviation 1.2, skewness .8 / .3; step 1.2 / 50 = .024,
    # lean 2.666667 * (2 * 1.959964^2 + 1) / (6 * 50) = .077181; 1.4 + .024 * (.077181 -+ 1.959964)
    interval = mean_interval([1.0] * 2250 + [5.0] * 250)
    assert (interval.low, interval.high) == (pytest.approx(1.354813, abs=2e-5), pytest.approx(1.448891, abs=2e-5))


def test_constant_cost_has_an_interval_without_width() -> None:
    interval = mean_interval([0.2] * 12)
    assert (interval.low, interval.high) == (0.2, 0.2)


def test_costs_that_differ_by_rounding_only_are_constant() -> None:
    interval = mean_interval([0.3, 0.1 + 0.2] * 15)
    assert (interval.low, interval.high) == (0.3, 0.1 + 0.2)


def test_mean_of_few_has_no_interval_unless_none_of_them_is_rare() -> None:
    few = [float(value) for value in range(28)]
    with pytest.raises(TooFewSamplesError, match="an interval of the mean needs at least 29 samples and there are 28"):
        mean_interval(few)
    assert mean_interval(few, least=LEAST_ALIKE).low < 13.5
    with pytest.raises(TooFewSamplesError, match="needs at least 10 samples and there are 9"):
        mean_interval(few[:9], least=LEAST_ALIKE)


@pytest.mark.slow
def test_interval_of_ten_that_are_alike_covers_their_mean() -> None:
    rng = np.random.default_rng(5)
    intervals = [mean_interval(rng.lognormal(0, 0.1, 10), least=LEAST_ALIKE) for _ in range(60)]
    truth = math.exp(0.1**2 / 2)
    # 3 of 60 are expected, and more than 8 once in 200 times; the plain bootstrap misses 7 on average.
    assert sum(not interval.low <= truth <= interval.high for interval in intervals) <= 8


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(29, 0.88), (60, 0.91), (200, 0.92), (2500, 0.92)])
def test_interval_of_the_mean_covers_costs_with_cold_starts(n: int, least: float) -> None:
    rng = np.random.default_rng(5)
    truth = math.exp(0.1**2 / 2) * (1 + 0.1 * 4)  # one in ten costs five times as much
    intervals = []
    for _ in range(400):
        values = rng.lognormal(0, 0.1, n)
        intervals.append(mean_interval(np.where(rng.random(n) < 0.1, 5 * values, values)))
    assert least <= sum(interval.low <= truth <= interval.high for interval in intervals) / 400 <= 0.985
