"""Blocks of one sandbox as units: their medians, their spread, and that errors are as rare as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sebsx.errors import UserError
from sebsx.stats import (
    Spread,
    UnusableSamplesError,
    Verdict,
    block_medians,
    blocks_for_difference,
    calls_per_block,
    compare_samples,
    order_statistic_interval,
    spread_of,
    verdict,
)


def test_block_has_the_median_of_its_observations_whatever_their_order() -> None:
    values, blocks = [5.0, 1.0, 4.0, 100.0, 3.0, 2.0, 7.0], [2, 1, 2, 1, 1, 0, 0]
    assert block_medians(values, blocks).tolist() == [4.5, 3.0, 4.5]  # 2 and 7; 1, 3 and 100; 4 and 5


def test_blocks_that_do_not_match_are_refused() -> None:
    with pytest.raises(UnusableSamplesError, match="3 observations and 2 blocks"):
        block_medians([1.0, 2.0, 3.0], [0, 1])


def test_spread_tells_what_lies_between_blocks_from_what_lies_within() -> None:
    rng = np.random.default_rng(1)
    blocks = np.repeat(np.arange(400), 5)
    values = np.exp(np.repeat(rng.normal(0, 0.08, 400), 5) + rng.normal(0, 0.03, 2000))
    found = spread_of(values, blocks)
    assert found is not None
    assert found.between == pytest.approx(0.08, rel=0.1)
    assert found.within == pytest.approx(0.03, rel=0.05)
    assert (found.blocks, found.calls) == (400, 5.0)
    assert found.of_block(5) == pytest.approx(float(np.log(block_medians(values, blocks)).std(ddof=1)), rel=0.01)


def test_spread_between_blocks_that_do_not_differ_is_nearly_none() -> None:
    rng = np.random.default_rng(2)
    found = spread_of(rng.lognormal(0, 0.05, 2000), np.repeat(np.arange(200), 10))
    assert found is not None
    assert found.between < 0.01
    assert spread_of([1.0, 2.0, 3.0], [7, 7, 7]) is None
    alone = spread_of([1.0, math.e, math.e**2], [0, 1, 2])  # one call each: all of it may be the sandbox's
    assert alone == Spread(between=1.0, within=None, blocks=3, calls=1.0)


def test_plan_in_blocks_is_at_least_the_formula_of_guenther() -> None:
    # pi / 3 * ((1.959964 + .841621) * .1 / .0953102)^2 + 1.959964^2 / 2 = 9.0483 + 1.9207, and the exact test of 11
    # pairs rejects in 4.2 % of cases and not in 5
    assert blocks_for_difference(0.1, 1.1, power=0.8) == 12
    # six pairs reject only if all agree: Phi(ln 1.1 / s)^6 = .95 for s = .0953102 / 2.38573 = .03995
    assert blocks_for_difference(0.0399, 1.1) == 6
    assert blocks_for_difference(0.04, 1.1) == 7
    assert blocks_for_difference(0.001, 1.1) == 6
    assert blocks_for_difference(0.0, 1.1, alpha=0.01) == 8  # 2 / 2^7 is more than 0.01
    with pytest.raises(UserError, match="not beyond a threshold"):
        blocks_for_difference(0.1, 1.05, threshold=0.05)
    with pytest.raises(UserError, match="deviation"):
        blocks_for_difference(math.nan, 1.1)


@pytest.mark.slow
@pytest.mark.parametrize("deviation", [0.06, 0.1])
def test_planned_blocks_find_the_difference_as_often_as_planned(deviation: float) -> None:
    n = blocks_for_difference(deviation, 1.1, power=0.9, threshold=0.05)
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(300):
        base = rng.lognormal(0, 0.2, n)  # what both share cancels
        comparison = compare_samples(base, 1.1 * base * rng.lognormal(0, deviation, n), pairs=True)
        found += verdict(comparison) is Verdict.REGRESSION
    assert found / 300 == pytest.approx(0.9, abs=0.05)


def test_calls_of_a_block_weigh_its_start_against_the_variance_within() -> None:
    found = Spread(between=0.02, within=0.05, blocks=10, calls=3)
    # sqrt(pi / 2 * 4) * 2.5 = 6.27
    assert calls_per_block(found, block_cost=4.0, call_cost=1.0) == 6
    assert calls_per_block(found, block_cost=400.0, call_cost=1.0) == 63
    assert calls_per_block(Spread(between=0.1, within=0.01, blocks=10, calls=3), 1.0, 1.0) == 1
    assert calls_per_block(Spread(between=0.0, within=0.05, blocks=10, calls=3), 1.0, 1.0) == 100
    assert calls_per_block(Spread(between=0.1, within=None, blocks=10, calls=1), 1.0, 1.0) == 1


SIDES = ("unpaired", "paired")


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.0, 0.02, 0.05, 0.1])
def test_intervals_and_gate_keep_their_level_whatever_the_spread_between_sandboxes(between: float) -> None:
    """300 experiments of the same code, 12 sandboxes of 5 calls a side; the two-sided bound is 3 standard errors."""
    rng = np.random.default_rng(4)
    blocks = np.repeat(np.arange(12), 5)
    missed, excluded, alarms = 0, dict.fromkeys(SIDES, 0), dict.fromkeys(SIDES, 0)
    for _ in range(300):
        base, new = (
            block_medians(np.exp(np.repeat(rng.normal(0, between, 12), 5) + rng.normal(0, 0.05, 60)), blocks)
            for _ in range(2)
        )
        interval = order_statistic_interval(base)
        missed += not interval.low <= 1 <= interval.high  # the platform's median
        for side in SIDES:
            found = compare_samples(base, new, pairs=side == "paired")
            excluded[side] += found.certain
            alarms[side] += verdict(found) not in {Verdict.EQUIVALENT, Verdict.INCONCLUSIVE}
    bound = 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)
    assert missed <= bound
    assert all(excluded[side] <= bound and alarms[side] <= bound for side in SIDES)


@pytest.mark.slow
def test_calls_as_units_would_not_keep_it() -> None:
    """What the unit is for: with 5 % between sandboxes, one sandbox a side is called different in half of all runs."""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(100):
        base, new = (np.exp(rng.normal(0, 0.05) + rng.normal(0, 0.02, 60)) for _ in range(2))
        alarms += verdict(compare_samples(base, new, pairs=True)) is not Verdict.INCONCLUSIVE
    assert alarms >= 35
