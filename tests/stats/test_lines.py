"""The line against numbers worked out by hand, by scipy and by its definition."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy import stats

from sebsx.stats import TooFewSamplesError, UnusableSamplesError, fit_line


def test_line_through_four_points_is_the_one_worked_out_by_hand() -> None:
    # x = 0..3, y = 1, 3, 4, 8: means 1.5 and 4, Sxx = 5, Sxy = 11, so y = 0.7 + 2.2 x; residual squares
    # 0.3^2 + 0.1^2 + 1.1^2 + 0.7^2 = 1.8 of 26.
    line = fit_line([0, 1, 2, 3], [1, 3, 4, 8], range(4))
    assert line.slope == pytest.approx(2.2)
    assert line.intercept == pytest.approx(0.7)
    assert line.r_squared == pytest.approx(1 - 1.8 / 26)
    assert line.adjusted_r_squared == pytest.approx(1 - (1.8 / 2) / (26 / 3))
    assert line(10) == pytest.approx(22.7)
    assert line.intercept_interval is line.slope_interval is None  # of four units there is none


def test_line_agrees_with_scipy() -> None:
    rng = random.Random(3)
    x = [rng.uniform(0, 6e6) for _ in range(40)]
    y = [0.02 + 3e-8 * at + rng.gauss(0, 0.01) for at in x]
    line, known = fit_line(x, y, range(40), 0.9), stats.linregress(x, y)
    assert line.slope == pytest.approx(known.slope)
    assert line.r_squared == pytest.approx(known.rvalue**2)
    # With a unit each and errors alike, the jackknife is Student's interval but for its noise.
    reach = stats.t.ppf(0.95, 38)
    assert line.slope_interval is not None
    assert line.slope_interval.low == pytest.approx(known.slope - reach * known.stderr, rel=0.02)


def test_interval_is_that_of_the_lines_with_each_block_left_out() -> None:
    rng = np.random.default_rng(5)
    x, blocks = np.tile([0.0, 1.0, 5.0], 7), np.repeat(np.arange(7), 3)
    y = 2 + 3 * x + rng.normal(size=7)[blocks] + rng.normal(size=21)
    line = fit_line(x, y, blocks)
    slopes = [float(np.polyfit(x[blocks != block], y[blocks != block], 1)[0]) for block in range(7)]
    error = (6 / 7 * sum((slope - line.slope) ** 2 for slope in slopes)) ** 0.5
    assert line.slope_interval is not None
    assert line.slope_interval.high - line.slope == pytest.approx(stats.t.ppf(0.975, 6) * error)
    assert (line.n, line.blocks, line.slope_interval.n) == (21, 7, 7)


def missed_by_lines(blocks: int, experiments: int) -> np.ndarray:
    """Return how often the intervals of intercept and slope miss, with blocks 30 % and their rates 10 % apart."""
    rng = np.random.default_rng(20261130)
    x, block = np.tile([1e-3, 0.5, 2.0, 5.6], blocks), np.repeat(np.arange(blocks), 4)
    missed = np.zeros(2)
    for _ in range(experiments):
        luck, rate = rng.lognormal(0, 0.3, blocks), rng.normal(3, 0.3, blocks)
        y = 10 * luck[block] + rate[block] * x + rng.normal(0, 0.2 + 0.2 * x)
        line = fit_line(x, y, block)
        for place, (found, truth) in enumerate(
            [(line.intercept_interval, 10 * np.exp(0.045)), (line.slope_interval, 3.0)]
        ):
            assert found is not None
            missed[place] += not found.low <= truth <= found.high
    return missed / experiments


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [6, 12])
def test_both_intervals_hold_whatever_blocks_have_in_common_and_larger_sizes_vary_more(blocks: int) -> None:
    missed = missed_by_lines(blocks, 400)
    assert (missed <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5).all(), missed


def test_calls_of_few_blocks_have_a_line_and_no_interval() -> None:
    x = list(range(60))
    line = fit_line(x, [2.0 * at for at in x], [at % 5 for at in x])
    assert line.slope == pytest.approx(2)
    assert line.slope_interval is line.intercept_interval is None
    assert fit_line([1, 1, 1, 1, 1, 2], [1, 1, 1, 1, 1, 2], range(6)).slope_interval is None  # one holds the line alone


def test_what_is_no_line_is_refused() -> None:
    with pytest.raises(TooFewSamplesError, match="a line needs at least 3"):
        fit_line([1, 2], [1, 2], range(2))
    with pytest.raises(UnusableSamplesError, match="at one place"):
        fit_line([5, 5, 5], [1, 2, 3], range(3))
    with pytest.raises(UnusableSamplesError, match="do not match"):
        fit_line([1, 2, 3], [1, 2, 3, 4], range(3))
    with pytest.raises(UnusableSamplesError, match="do not match"):
        fit_line([1, 2, 3], [1, 2, 3], range(4))


def test_line_that_is_flat_and_exact_explains_all() -> None:
    assert fit_line([1, 2, 3], [7, 7, 7], range(3)).r_squared == 1.0
