from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from sebsx.errors import UserError
from sebsx.stats import (
    Comparison,
    TooFewSamplesError,
    Verdict,
    compare_samples,
    equivalent,
    holm,
    verdict,
)

SAME = Comparison(
    ratio=1.0, low=0.99, high=1.01, confidence=0.95, p=0.5, cliff=0.0, shift=0.0, shift_low=-0.1, shift_high=0.1,
    base_median=10.0, new_median=10.0, n_base=60, n_new=60, method="unpaired", needed=60,
)  # fmt: skip
SLOWER = replace(SAME, ratio=1.1, low=1.08, high=1.12, p=0.001, new_median=11.0)
FASTER = replace(SAME, ratio=0.9, low=0.88, high=0.92, p=0.001, new_median=9.0)
ROUNDS = 60


def interleaved(rng: np.random.Generator, slow_down: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Both sides once a round, in random order, on a machine whose level wanders: a random walk of 1 % a step."""
    level = np.exp(0.01 * rng.normal(size=(ROUNDS, 2)).ravel().cumsum()).reshape(ROUNDS, 2)
    swapped = rng.random(ROUNDS) < 0.5
    level[swapped] = level[swapped, ::-1]
    noise = rng.lognormal(0, 0.05, (ROUNDS, 2))
    return level[:, 0] * noise[:, 0], slow_down * level[:, 1] * noise[:, 1]


def sequential(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First all of the base, then all of the new, on the same machine."""
    values = np.exp(0.01 * rng.normal(size=2 * ROUNDS).cumsum()) * rng.lognormal(0, 0.05, 2 * ROUNDS)
    return values[:ROUNDS], values[ROUNDS:]


def alarms(samples, trials: int, threshold: float, *, pairs: bool, seed: int = 1) -> float:
    rng = np.random.default_rng(seed)
    verdicts = [verdict(compare_samples(*samples(rng), pairs=pairs), threshold) for _ in range(trials)]
    return sum(found in {Verdict.REGRESSION, Verdict.IMPROVEMENT} for found in verdicts) / trials


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_same_version_interleaved_is_rarely_called_different(*, threshold: float, pairs: bool) -> None:
    assert alarms(interleaved, 200, threshold, pairs=pairs) <= 0.085  # 5 % and two standard errors


@pytest.mark.slow
def test_same_version_one_after_the_other_is_often_called_different() -> None:
    assert alarms(sequential, 200, 0.0, pairs=False) > 0.5
    assert alarms(sequential, 200, 0.05, pairs=False) > 0.3


@pytest.mark.slow
def test_same_version_is_called_different_as_often_as_the_level_says() -> None:
    def independent(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.lognormal(0, 0.05, ROUNDS), rng.lognormal(0, 0.05, ROUNDS)

    for share in (alarms(interleaved, 1000, 0.0, pairs=True), alarms(independent, 1000, 0.0, pairs=False)):
        assert 0.029 <= share <= 0.071  # 5 % and three standard errors


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [True, False])
def test_slow_down_of_ten_percent_is_found(*, pairs: bool) -> None:
    rng = np.random.default_rng(2)
    verdicts = []
    for _ in range(200):
        base, new = rng.lognormal(0, 0.05, ROUNDS), 1.1 * rng.lognormal(0, 0.05, ROUNDS)
        verdicts.append(verdict(compare_samples(base, new, pairs=pairs), 0.05))
    assert verdicts.count(Verdict.REGRESSION) / 200 >= 0.95


@pytest.mark.slow
def test_slow_down_is_found_on_a_machine_that_wanders() -> None:
    rng = np.random.default_rng(3)
    verdicts = [verdict(compare_samples(*interleaved(rng, 1.1), pairs=True), 0.05) for _ in range(200)]
    assert verdicts.count(Verdict.REGRESSION) / 200 >= 0.95


@pytest.mark.slow
def test_same_version_is_found_equivalent_where_the_noise_allows_it() -> None:
    rng = np.random.default_rng(4)
    verdicts = [verdict(compare_samples(*interleaved(rng), pairs=True), 0.05) for _ in range(100)]
    assert verdicts.count(Verdict.EQUIVALENT) >= 90
    assert verdicts.count(Verdict.EQUIVALENT) + verdicts.count(Verdict.INCONCLUSIVE) == 100


@pytest.mark.parametrize(
    ("better", "slower", "faster"),
    [
        ("lower", Verdict.REGRESSION, Verdict.IMPROVEMENT),
        ("higher", Verdict.IMPROVEMENT, Verdict.REGRESSION),
        ("neither", Verdict.CHANGE, Verdict.CHANGE),
    ],
)
def test_direction_of_the_metric_decides_what_a_change_is(better: str, slower: Verdict, faster: Verdict) -> None:
    assert verdict(SLOWER, better=better) is slower
    assert verdict(FASTER, better=better) is faster
    assert verdict(SAME, better=better) is Verdict.EQUIVALENT


@pytest.mark.parametrize(
    "doubtful",
    [
        replace(SLOWER, p=0.06),  # the test does not reject
        replace(SLOWER, low=0.99),  # the interval holds 1
        replace(SLOWER, ratio=1.04, low=1.01, high=1.07),  # certain, and below the threshold
        replace(SAME, low=0.94, high=1.06),  # no change seen, and none of 5 % excluded
    ],
)
def test_change_is_called_one_only_if_test_interval_and_threshold_agree(doubtful: Comparison) -> None:
    assert verdict(doubtful) is Verdict.INCONCLUSIVE


def test_change_that_is_certain_and_tiny_is_equivalent() -> None:
    assert verdict(replace(SAME, ratio=1.02, low=1.01, high=1.03, p=1e-9)) is Verdict.EQUIVALENT


def test_correction_for_many_rows_can_withdraw_a_verdict() -> None:
    assert verdict(SLOWER, 0.05, 0.04) is Verdict.REGRESSION
    assert verdict(SLOWER, 0.05, 0.06) is Verdict.INCONCLUSIVE
    assert verdict(SLOWER, 0.05, 0.04, alpha=0.01) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("threshold", [-0.01, float("nan"), float("inf")])
def test_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(UserError, match=r"threshold .* must be 0 or above"):
        verdict(SAME, threshold)
    with pytest.raises(UserError, match=r"threshold .* must be 0 or above"):
        compare_samples([1.0] * 6, [1.0] * 6, threshold=threshold)


# 1 / 1.25 = .8
@pytest.mark.parametrize(("low", "high", "expected"), [(0.8, 1.25, True), (0.79, 1.0, False), (1.0, 1.26, False)])
def test_equivalence_is_symmetric_in_the_logarithm(low: float, high: float, *, expected: bool) -> None:
    assert equivalent(low, high, 0.25) is expected
    assert equivalent(1 / high, 1 / low, 0.25) is expected


def test_comparison_of_independent_samples_states_both_in_their_unit() -> None:
    base = [float(value) for value in range(100, 121)]
    found = compare_samples(base, [2 * value for value in base])
    assert (found.method, found.n_base, found.n_new) == ("unpaired", 21, 21)
    assert (found.base_median, found.new_median, found.shift) == (110, 220, 110)
    assert found.ratio == pytest.approx(2.0)
    assert 1.8 < found.low < 2.0 < found.high < 2.2
    assert (found.cliff, found.p < 1e-6) == (1, True)
    assert found.shift_low < 110 < found.shift_high


def test_comparison_of_pairs_has_the_interval_of_its_test() -> None:
    base = [10.0 * 2 ** (step % 5) for step in range(21)]
    new = [value * math.exp(step / 100) for step, value in enumerate(base)]
    found = compare_samples(base, new, pairs=True)
    assert found.method == "paired"
    assert found.ratio == pytest.approx(math.exp(0.10))  # log ratios 0, 0.01 ... 0.20 are symmetric about 0.10
    # Table of the signed-rank test (Hollander & Wolfe, A.4), n = 21: P(T <= 58) = 0.0230, and so the 59th of the 231
    # means of pairs on either side.
    averages = sorted((one + other) / 200 for one in range(21) for other in range(one, 21))
    assert found.low == pytest.approx(math.exp(averages[58]))
    assert found.high == pytest.approx(math.exp(averages[-59]))
    assert found.shift_low < found.shift < found.shift_high


def test_pairs_find_what_a_wandering_machine_hides() -> None:
    level = np.exp(np.linspace(0, 2, 40))
    new = 1.1 * level * np.tile([0.99, 1.01], 20)
    assert verdict(compare_samples(level, new, pairs=True)) is Verdict.REGRESSION
    assert verdict(compare_samples(level, new)) is Verdict.INCONCLUSIVE


def test_samples_needed_grow_with_the_square_of_the_interval() -> None:
    rng = np.random.default_rng(5)
    base, new = rng.lognormal(0, 0.3, 50), rng.lognormal(0, 0.3, 50)
    found = compare_samples(base, new, threshold=0.05)
    half = max(np.log(found.high / found.ratio), np.log(found.ratio / found.low))
    # ((1.959964 + 1.281552) / 1.959964)^2 = 2.7353
    assert found.needed == pytest.approx(50 * 2.7353 * (half / np.log(1.05)) ** 2, abs=1)
    assert found.needed > 500
    assert compare_samples(base, new, threshold=0).needed is None


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [True, False])
def test_samples_needed_tell_that_nothing_changed_as_often_as_promised(*, pairs: bool) -> None:
    rng = np.random.default_rng(8)
    advised = [
        compare_samples(rng.lognormal(0, 0.1, 20), rng.lognormal(0, 0.1, 20), pairs=pairs).needed or 0
        for _ in range(100)
    ]
    n = round(float(np.median(advised)))  # one advice stands on twenty values, and is as uncertain as they are
    said = [
        verdict(compare_samples(rng.lognormal(0, 0.1, n), rng.lognormal(0, 0.1, n), pairs=pairs)) for _ in range(200)
    ]
    assert 0.7 <= said.count(Verdict.EQUIVALENT) / 200 <= 0.92


@pytest.mark.slow
def test_constant_samples_are_compared_without_doubt() -> None:
    assert verdict(compare_samples([2.0] * 10, [2.0] * 10)) is Verdict.EQUIVALENT
    assert verdict(compare_samples([2.0] * 10, [2.2] * 10)) is Verdict.REGRESSION
    assert verdict(compare_samples([2.0] * 10, [2.2] * 10, pairs=True)) is Verdict.REGRESSION


@pytest.mark.parametrize("pairs", [True, False])
def test_comparison_can_be_written_as_json(*, pairs: bool) -> None:
    found = compare_samples(np.arange(1.0, 31.0), np.arange(2.0, 32.0), pairs=pairs)
    assert Comparison(**json.loads(json.dumps(asdict(found), allow_nan=False))) == found


def test_comparison_of_too_few_is_refused() -> None:
    with pytest.raises(TooFewSamplesError, match="a comparison needs at least 6 samples and there are 5"):
        compare_samples([1.0] * 6, [1.0] * 5)
    with pytest.raises(TooFewSamplesError, match="at least 8 samples and there are 7"):
        compare_samples([1.0] * 7, [1.0] * 7, pairs=True, confidence=0.99)


def test_corrected_p_values_are_those_of_holm() -> None:
    # Sorted .005 * 4, .01 * 3, .03 * 2, and .04 * 1 which may not be below its forerunner
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_impossible_p_value_is_refused(p: float) -> None:
    with pytest.raises(UserError, match=r"p value .* must lie between 0 and 1"):
        holm([0.5, p])
