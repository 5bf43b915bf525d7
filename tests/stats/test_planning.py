from __future__ import annotations

import math

import numpy as np
import pytest

from sebsx.errors import UserError
from sebsx.stats import (
    TooFewSamplesError,
    Verdict,
    compare_samples,
    needed_blocks,
    next_look,
    precise_enough,
    relative_half_width,
    samples_for_difference,
    verdict,
)
from sebsx.stats.ranks import signed_ranks


def test_stopping_rule_looks_at_the_farther_end_of_the_interval() -> None:
    values = [97.0, 99.0, 100.0, 100.0, 101.0, 106.0]  # n = 6: the interval is (97, 106), the median 100
    assert relative_half_width(values) == pytest.approx(0.06)
    assert not precise_enough(values)
    assert precise_enough(values, relative=0.07)


@pytest.mark.parametrize("values", [[], [1.0] * 5])
def test_small_sample_is_never_precise_enough(values: list[float]) -> None:
    assert not precise_enough(values)


def test_constant_sample_is_precise_enough_even_at_zero() -> None:
    assert precise_enough([0.0] * 6)
    assert not precise_enough([-1.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def test_samples_needed_follow_from_the_spread_of_the_pilot() -> None:
    # logs are +-0.1: mean 0, sigma = 0.1 * sqrt(6 / 5) = 0.109545; (1.96 * 1.253314 * 0.109545 / 0.05)^2 = 28.97
    pilot = [math.exp(0.1), math.exp(-0.1)] * 3
    assert needed_blocks(pilot, range(6)) == 29
    assert needed_blocks(pilot, range(6), relative=0.5) == 6


def test_many_calls_of_a_sandbox_are_one_unit_of_a_pilot() -> None:
    pilot = [math.exp(0.1)] * 20 + [math.exp(-0.1)] * 20
    blocks = [place // 20 for place in range(40)]
    with pytest.raises(TooFewSamplesError):
        needed_blocks(pilot, blocks)
    assert needed_blocks(pilot * 3, [*blocks, *(place + 2 for place in blocks), *(place + 4 for place in blocks)]) == 29


def test_samples_needed_of_a_tiny_pilot_are_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        needed_blocks([1.0, 2.0, 3.0, 4.0], range(4))


def test_looks_are_a_fifth_apart() -> None:
    looks = [50]
    while len(looks) < 5:
        looks.append(next_look(looks[-1]))
    assert looks == [50, 60, 72, 87, 105]  # 87 = 72 + 14.4 rounded up, 105 = 87 + 17.4 rounded up
    assert next_look(0) == 1


@pytest.mark.slow
def test_stopping_in_batches_keeps_the_coverage() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        values = rng.lognormal(0, 0.3, 2000)
        n = 50
        while not precise_enough(values[:n]) and n < 2000:
            n = next_look(n)
        low, high = math.exp(-0.05), math.exp(0.05)
        covered += low <= float(np.median(values[:n])) <= high
    assert covered / 200 >= 0.91  # 95 % less what looking several times costs, and chance


def test_plan_for_a_difference_is_the_formula_of_noether() -> None:
    # sigma = sqrt(ln(1 + .2^2)) = .198042; P(new > base) = Phi(ln 1.1 / (.198042 * sqrt 2)) = Phi(.340305) = .633186
    # (1.959964 + .841621)^2 / (6 * .133186^2) = 7.848879 / .106431 = 73.75
    assert samples_for_difference(0.2, 1.1, power=0.8) == 74


def test_plan_for_pairs_is_that_of_the_signed_rank_test() -> None:
    # pi / 3 * 2 * sigma^2 / (ln 1.1)^2 * 7.848879 + 1.959964^2 / 2
    # = 2.094395 * .0392207 / .00908403 * 7.848879 + 1.920729 = 70.9743 + 1.9207
    assert samples_for_difference(0.2, 1.1, power=0.8, pairs=True) == 73


def test_plan_is_the_same_for_a_slow_down_and_the_speed_up_that_undoes_it() -> None:
    assert samples_for_difference(0.2, 1.25) == samples_for_difference(0.2, 0.8)


def test_plan_grows_as_the_difference_nears_the_threshold() -> None:
    plans = [samples_for_difference(0.1, 1.1, threshold=threshold) for threshold in (0.0, 0.05, 0.08, 0.09)]
    assert plans == sorted(plans)
    assert plans[-1] > 10 * plans[0]


@pytest.mark.parametrize("ratio", [1.0, 1.05, 0.96])
def test_difference_within_the_threshold_cannot_be_planned_for(ratio: float) -> None:
    with pytest.raises(UserError, match=r"not beyond a threshold of 0\.05"):
        samples_for_difference(0.1, ratio, threshold=0.05)


@pytest.mark.parametrize(
    "wrong", [{"cv": 0}, {"cv": math.nan}, {"ratio": 0}, {"ratio": math.inf}, {"power": 1}, {"threshold": -0.1}]
)
def test_impossible_plan_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=rf"{next(iter(wrong))} .* must"):
        samples_for_difference(**{"cv": 0.1, "ratio": 1.1, **wrong})


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_planned_samples_find_the_difference_as_often_as_planned(*, threshold: float, pairs: bool) -> None:
    n = samples_for_difference(0.1, 1.08, power=0.8, threshold=threshold, pairs=pairs)
    sigma = math.sqrt(math.log(1 + 0.1**2))
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(200):
        base, new = rng.lognormal(0, sigma, n), 1.08 * rng.lognormal(0, sigma, n)
        found += verdict(compare_samples(base, new, pairs=pairs), threshold) is Verdict.REGRESSION
    assert 0.7 <= found / 200 <= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("cv", "power"), [(0.03, 0.95), (0.05, 0.9), (0.1, 0.8), (0.15, 0.95)])
def test_few_pairs_find_the_difference_as_often_as_planned(cv: float, power: float) -> None:
    n, experiments = samples_for_difference(cv, 1.1, power=power, threshold=0.05, pairs=True), 4000
    deviation = math.sqrt(2 * math.log1p(cv**2))
    logs = np.random.default_rng(6).normal(math.log(1.1), deviation, (experiments, n))
    rows, columns = np.triu_indices(n)
    averages = np.sort((logs[:, rows] + logs[:, columns]) / 2, axis=1)  # as `signed_rank_interval` has them
    rank, _ = signed_ranks(n, 0.95)
    found = (averages[:, rank - 1] > 0) & (np.median(averages, axis=1) >= math.log(1.05))
    assert found.mean() >= power - 3 * math.sqrt(power * (1 - power) / experiments)
