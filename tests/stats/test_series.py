from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from sebsx.errors import UserError
from sebsx.stats import TooFewSamplesError, UnusableSamplesError, change_points, drift, two_modes


def test_line_drifts_by_its_slope() -> None:
    # 100 .. 119: a change of 19 over a median of 109.5
    found = drift([100.0 + step for step in range(20)])
    assert (found.rho, found.p) == (1.0, 0.0)
    assert found.change == found.change_low == found.change_high == pytest.approx(19 / 109.5)


def test_drift_has_the_correlation_of_scipy_and_an_interval_around_it() -> None:
    rng = np.random.default_rng(1)
    values = 10 + 0.01 * np.arange(100) + rng.normal(0, 0.5, 100)
    found, theirs = drift(values), spearmanr(np.arange(100), values)
    assert found.rho == pytest.approx(theirs.statistic)
    assert found.p == pytest.approx(theirs.pvalue)
    # Bonett & Wright: atanh(rho) +- 1.96 * sqrt((1 + rho^2 / 2) / 97)
    half = 1.959964 * math.sqrt((1 + found.rho**2 / 2) / 97)
    assert math.atanh(found.high) - math.atanh(found.rho) == pytest.approx(half)
    assert math.atanh(found.rho) - math.atanh(found.low) == pytest.approx(half)
    assert found.change_low < 1 / np.median(values) < found.change_high


def test_drift_follows_the_times_and_not_the_order() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0, 10.0, 9.0, 8.0, 7.0, 6.0]
    assert drift(values, values).rho == pytest.approx(1.0)
    assert drift(values, values).change == pytest.approx(9 / 5.5)
    assert drift(values, [-value for value in values]).rho == pytest.approx(-1.0)


def test_independent_values_seldom_drift() -> None:
    rng = np.random.default_rng(2)
    found = [drift(rng.exponential(1, 60)) for _ in range(100)]
    assert sum(one.p < 0.05 for one in found) / 100 <= 0.1
    assert sum(one.low <= 0 <= one.high for one in found) / 100 >= 0.9
    assert sum(one.change_low <= 0 <= one.change_high for one in found) / 100 >= 0.9


def test_drift_of_a_long_series_is_that_of_its_blocks() -> None:
    rng = np.random.default_rng(3)
    found = drift(np.linspace(1, 1.2, 20_000) * rng.lognormal(0, 0.1, 20_000))
    assert found.change == pytest.approx(0.2 / 1.1, rel=0.05)
    assert found.change_low < found.change < found.change_high


def test_constant_series_does_not_drift() -> None:
    assert (drift([1.0] * 10).p, drift([1.0] * 10).change) == (1.0, 0.0)


def test_drift_without_a_base_is_refused() -> None:
    with pytest.raises(TooFewSamplesError, match="at least 10"):
        drift([1.0, 2.0])
    with pytest.raises(UnusableSamplesError, match="median, which is 0"):
        drift([-1.0] * 3 + [0.0] * 5 + [1.0] * 3)
    with pytest.raises(UnusableSamplesError, match="12 values need 12 times"):
        drift(list(range(1, 13)), [0.0] * 12)


def test_two_modes_are_found_with_their_share_and_the_cut() -> None:
    rng = np.random.default_rng(4)
    values = rng.permutation(np.concatenate((rng.lognormal(0, 0.03, 120), 1.3 * rng.lognormal(0, 0.03, 80))))
    found = two_modes(values)
    assert found.distinct
    assert found.high_share == pytest.approx(0.4)
    assert (found.low, found.high) == (pytest.approx(1.0, rel=0.02), pytest.approx(1.3, rel=0.02))
    assert found.low < found.cut < found.high
    # distance over spread: ln 1.3 / .03 = 8.7
    assert found.separation == pytest.approx(8.7, rel=0.15)


@pytest.mark.parametrize(
    "one_mode",
    [
        lambda rng: rng.lognormal(0, 0.1, 100),
        lambda rng: rng.lognormal(0, 1, 100),
        lambda rng: rng.exponential(1, 100),
        lambda rng: rng.uniform(1, 2, 100),
        lambda rng: np.exp(0.05 * rng.standard_t(3, 100)),
    ],
    ids=["narrow", "wide", "exponential", "flat", "heavy tails"],
)
def test_one_mode_is_seldom_taken_for_two(one_mode) -> None:
    rng = np.random.default_rng(5)
    assert sum(two_modes(one_mode(rng)).distinct for _ in range(200)) <= 10


def test_outliers_are_no_mode() -> None:
    values = np.concatenate((np.random.default_rng(6).lognormal(0, 0.05, 100), [50.0, 60.0]))
    assert not two_modes(values).distinct


def test_two_values_are_two_modes_and_one_is_none() -> None:
    assert two_modes([1.0] * 30 + [2.0] * 30) == two_modes([2.0] * 30 + [1.0] * 30)
    assert two_modes([1.0] * 30 + [2.0] * 30).distinct
    assert two_modes([1.0] * 30 + [2.0] * 30).cut == 1.0
    assert not two_modes([1.0] * 60).distinct
    with pytest.raises(TooFewSamplesError, match="at least 50"):
        two_modes([1.0, 2.0])


def test_changes_of_level_are_found_where_they_are() -> None:
    rng = np.random.default_rng(7)
    level = np.repeat([1.0, 1.2, 1.0, 1.5], (60, 40, 30, 70))
    found = change_points(level * rng.lognormal(0, 0.03, 200))
    assert len(found) == 3
    assert np.abs(np.array(found) - [60, 100, 130]).max() <= 2


@pytest.mark.parametrize("n", [40, 200])
def test_independent_values_have_no_changes(n: int) -> None:
    rng = np.random.default_rng(8)
    found = [change_points(rng.exponential(1, n)) for _ in range(60)]
    assert sum(map(bool, found)) <= 3


def test_outliers_are_no_level() -> None:
    values = np.random.default_rng(9).lognormal(0, 0.05, 100)
    values[50:53] = 100.0
    assert change_points(values) == []


def test_change_in_a_long_series_is_found_to_the_block() -> None:
    values = np.random.default_rng(10).lognormal(0, 0.3, 50_001)
    values[30_000:] *= 1.2
    (found,) = change_points(values)
    assert abs(found - 30_000) <= 25 * 10


@pytest.mark.parametrize("values", [[], [1.0] * 19, [1.0] * 50])
def test_short_or_constant_series_has_no_changes(values: list[float]) -> None:
    assert change_points(values) == []


def test_level_of_one_value_is_refused() -> None:
    with pytest.raises(UserError, match="at least 2"):
        change_points([1.0] * 50, least=1)
