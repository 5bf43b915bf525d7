"""The line against numbers worked out by hand and by scipy."""

from __future__ import annotations

import random

import pytest
from scipy import stats

from sebsx.stats import TooFewSamplesError, UnusableSamplesError, fit_line


def test_line_through_four_points_is_the_one_worked_out_by_hand() -> None:
    # x = 0..3, y = 1, 3, 4, 8: means 1.5 and 4, Sxx = 5, Sxy = 11, so y = 0.7 + 2.2 x; residual squares
    # 0.3^2 + 0.1^2 + 1.1^2 + 0.7^2 = 1.8 of 26.
    line = fit_line([0, 1, 2, 3], [1, 3, 4, 8])
    assert line.slope == pytest.approx(2.2)
    assert line.intercept == pytest.approx(0.7)
    assert line.r_squared == pytest.approx(1 - 1.8 / 26)
    assert line.adjusted_r_squared == pytest.approx(1 - (1.8 / 2) / (26 / 3))
    # t(0.975, 2) = 4.302653; standard error of the slope sqrt(0.9 / 5).
    assert line.slope_interval.high - line.slope == pytest.approx(4.302653 * 0.18**0.5, rel=1e-6)
    assert line(10) == pytest.approx(22.7)


def test_line_agrees_with_scipy() -> None:
    rng = random.Random(3)
    x = [rng.uniform(0, 6e6) for _ in range(40)]
    y = [0.02 + 3e-8 * at + rng.gauss(0, 0.01) for at in x]
    line, known = fit_line(x, y, 0.9), stats.linregress(x, y)
    reach = stats.t.ppf(0.95, 38)
    assert line.slope == pytest.approx(known.slope)
    assert line.r_squared == pytest.approx(known.rvalue**2)
    assert line.slope_interval.low == pytest.approx(known.slope - reach * known.stderr)
    assert line.intercept_interval.high == pytest.approx(known.intercept + reach * known.intercept_stderr)


def test_interval_of_the_slope_holds_as_often_as_it_says() -> None:
    rng = random.Random(4)
    x = [1.0, 2.0, 4.0, 8.0] * 3
    lines = [fit_line(x, [3 + 0.5 * at + rng.gauss(0, 1) for at in x]) for _ in range(400)]
    assert 0.92 <= sum(line.slope_interval.low <= 0.5 <= line.slope_interval.high for line in lines) / 400 <= 0.98


def test_what_is_no_line_is_refused() -> None:
    with pytest.raises(TooFewSamplesError, match="a line needs at least 3"):
        fit_line([1, 2], [1, 2])
    with pytest.raises(UnusableSamplesError, match="at one place"):
        fit_line([5, 5, 5], [1, 2, 3])
    with pytest.raises(UnusableSamplesError, match="pairs"):
        fit_line([1, 2, 3], [1, 2, 3, 4])


def test_line_that_is_flat_and_exact_explains_all() -> None:
    assert fit_line([1, 2, 3], [7, 7, 7]).r_squared == 1.0
