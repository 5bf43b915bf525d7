from __future__ import annotations

import math
import random

import numpy as np
import pytest

from sebsx.stats import (
    TooFewSamplesError,
    UnusableSamplesError,
    cliffs_delta,
    magnitude,
    mann_whitney,
    median_ratio_interval,
    paired_ratio_interval,
    ratio_interval,
    shift_interval,
    signed_rank_interval,
    wilcoxon,
)
from sebsx.stats.twosample import signed_rank

SIX = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_two_samples_apart_have_the_p_value_of_the_table() -> None:
    # U = 36, mean 18, variance 6 * 6 * 13 / 12 = 39; z = (18 - .5) / 6.244998 = 2.802243, p = .005075
    assert mann_whitney([value + 10 for value in SIX], SIX) == pytest.approx(0.005075, abs=1e-6)


def test_ties_make_the_variance_smaller() -> None:
    # Ranks of 1 1 1 2 2 2 | 2 2 2 3 3 3: U = 36 - 9 / 2 = 31.5; ties 3, 6, 3: sum of t^3 - t = 24 + 210 + 24 = 258;
    # variance 36 / 12 * (13 - 258 / 132) = 33.136364; z = (13.5 - .5) / 5.756419 = 2.258348, p = .023924
    p = mann_whitney([2, 2, 2, 3, 3, 3], [1, 1, 1, 2, 2, 2])
    assert p == pytest.approx(0.023924, abs=1e-6)


@pytest.mark.parametrize("test", [mann_whitney, wilcoxon])
def test_two_samples_of_one_value_do_not_differ(test) -> None:
    assert test([0.2] * 9, [0.2] * 9) == 1.0


def test_eight_pairs_all_larger_have_the_exact_p_value() -> None:
    # All 8 signs alike, either way: 2 / 2^8; a ninth pair without a difference says nothing
    base = [float(value) for value in range(1, 9)]
    new = [value * (1 + value / 100) for value in base]
    assert wilcoxon(new, base) == pytest.approx(2 / 256)
    assert wilcoxon([*new, 5.0], [*base, 5.0]) == pytest.approx(2 / 256)


def test_pairs_of_different_numbers_are_refused() -> None:
    with pytest.raises(UnusableSamplesError, match="7 and 6 samples do not form pairs"):
        wilcoxon([*SIX, 7.0], SIX)


def test_effect_size_counts_the_pairs_won_and_lost() -> None:
    # new 2 against 1 2 3: one won, one tied, one lost; new 4: three won. (4 - 1) / 6
    assert cliffs_delta([2.0, 4.0], [1.0, 2.0, 3.0]) == pytest.approx(0.5)
    assert cliffs_delta([1.0], [2.0]) == -1
    assert cliffs_delta([2.0], [1.0, 1.0]) == 1


@pytest.mark.parametrize(
    ("delta", "word"),
    [(0.0, "negligible"), (0.146, "negligible"), (0.147, "small"), (-0.33, "medium"), (0.474, "large"), (-1, "large")],
)
def test_effect_size_has_the_word_of_romano(delta: float, word: str) -> None:
    assert magnitude(delta) == word


def test_shift_is_the_median_of_all_differences_with_the_ranks_of_mann_whitney() -> None:
    # 10 + (i - j), i, j = 1..6; one -5, two -4, three -3, four -2: position 35 * .16 = 5.6 lies between -3 and -2
    shift, interval = shift_interval([value + 10 for value in SIX], SIX)
    assert (shift, interval.low, interval.high) == (10, pytest.approx(7.6, abs=0.01), pytest.approx(12.4, abs=0.01))


def test_shift_of_many_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(2)
    base, new = rng.exponential(1, 1500), 0.3 + rng.exponential(1, 1200)
    shift, interval = shift_interval(new, base)
    everything = np.subtract.outer(new, base).ravel()
    half = 1.959964 * math.sqrt(5501 / (12 * 3000 * 1200))
    low, middle, high = np.quantile(everything, (0.5 - half, 0.5, 0.5 + half))
    assert shift == pytest.approx(middle, abs=0.001)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=0.001), pytest.approx(high, abs=0.001))


def test_ratio_is_the_median_of_all_ratios_with_the_ranks_of_mann_whitney() -> None:
    # The 36 ratios are 4 * 2^(i - j). half = 1.96 * sqrt(13 / (12 * 36)) = 0.34, so the ends lie at positions
    # 35 * 0.16 = 5.6, between 0.5 and 1, and 35 * 0.84 = 29.4, between 16 and 32.
    base = [2.0**power for power in range(6)]
    ratio, interval = ratio_interval([4 * value for value in base], base)
    assert ratio == 4.0
    assert interval.low == pytest.approx(0.8, abs=1e-3)
    assert interval.high == pytest.approx(22.4, abs=1e-2)
    assert interval.n == 12


def test_ratio_of_large_samples_is_that_of_all_their_ratios() -> None:
    rng = random.Random(2)
    base = [rng.lognormvariate(0, 0.3) for _ in range(1400)]
    values = [3 * rng.lognormvariate(0, 0.3) for _ in range(1200)]
    ratio, interval = ratio_interval(values, base)
    ratios = np.divide.outer(values, base).ravel()
    half = 1.959964 * math.sqrt(2601 / (12 * 1400 * 1200))
    assert ratio == pytest.approx(np.quantile(ratios, 0.5), rel=0.002)
    assert interval.low == pytest.approx(np.quantile(ratios, 0.5 - half), rel=0.002)
    assert interval.high == pytest.approx(np.quantile(ratios, 0.5 + half), rel=0.002)


def test_ratio_of_too_few_is_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        ratio_interval([1.0] * 5, [1.0] * 50)


def test_ratio_to_nothing_is_refused() -> None:
    with pytest.raises(UnusableSamplesError, match="1 of 6 samples: not above 0"):
        ratio_interval(SIX, [0.0, *SIX[1:]])


def test_ratio_of_medians_is_that_of_the_medians() -> None:
    ratio, interval = median_ratio_interval([value * 3 for value in SIX], SIX)
    assert ratio == pytest.approx(3.0)
    assert interval.low < 3.0 < interval.high
    assert interval.low >= 0.5
    assert interval.high <= 18.0


def test_interval_of_the_ratio_of_medians_is_that_of_resampling() -> None:
    rng = np.random.default_rng(3)
    base, new = rng.lognormal(0, 0.3, 101), rng.lognormal(0.2, 0.3, 81)
    _, interval = median_ratio_interval(new, base)
    medians = [np.median(rng.choice(side, (20_000, len(side))), axis=1) for side in (new, base)]
    low, high = np.quantile(medians[0] / medians[1], (0.025, 0.975))
    assert interval.low == pytest.approx(low, rel=0.005)
    assert interval.high == pytest.approx(high, rel=0.005)


@pytest.mark.slow
def test_ratio_of_medians_is_covered_where_only_one_side_has_a_second_mode() -> None:
    # 30 % of the new are 5 times as slow: its median is the 5/7 quantile of the fast ones, z = .565949
    truth = math.exp(0.1 * 0.565949)
    rng = np.random.default_rng(4)
    by_medians = by_all_ratios = 0
    for _ in range(120):
        base, new = rng.lognormal(0, 0.1, 200), rng.lognormal(0, 0.1, 200)
        new[rng.random(200) < 0.3] *= 5
        for_medians, for_all = median_ratio_interval(new, base)[1], ratio_interval(new, base)[1]
        by_medians += for_medians.low <= truth <= for_medians.high
        by_all_ratios += for_all.low <= truth <= for_all.high
    assert by_medians / 120 >= 0.92
    assert by_all_ratios / 120 < 0.85  # the typical ratio is another number: docs/methods/statistics.md


def test_interval_of_pairs_has_the_ranks_of_the_table() -> None:
    # n = 10: P(T <= 8) = 0.0244 (Hollander & Wolfe, A.4), so that the ends are the 9th of the 55 means of pairs
    differences = [2.0**step for step in range(10)]
    centre, interval = signed_rank_interval(differences)
    averages = sorted((one + other) / 2 for place, one in enumerate(differences) for other in differences[place:])
    assert (centre, interval.low, interval.high) == (averages[27], averages[8], averages[-9])
    assert round(interval.coverage, 4) == 0.9512


@pytest.mark.parametrize("n", [6, 13, 50, 200])
def test_interval_of_pairs_holds_what_the_test_does_not_reject(n: int) -> None:
    values = np.random.default_rng(n).standard_t(3, n)
    _, interval = signed_rank_interval(values)
    step = 1e-9
    for end, inside in ((interval.low, step), (interval.high, -step)):
        assert signed_rank(values - end - inside) > 0.05
        assert signed_rank(values - end + inside) <= 0.05


def test_interval_of_too_few_pairs_is_refused() -> None:
    with pytest.raises(TooFewSamplesError, match="at least 6"):
        signed_rank_interval([1.0] * 5)
    with pytest.raises(TooFewSamplesError, match="at least 8"):
        signed_rank_interval([1.0] * 7, 0.99)


def test_interval_of_many_pairs_is_that_of_all_their_means() -> None:
    values = np.random.default_rng(3).normal(0.1, 1, 1500)
    centre, interval = signed_rank_interval(values)
    rows, columns = np.triu_indices(1500)
    averages = np.sort((values[rows] + values[columns]) / 2)
    rank = 1500 * 1501 / 4 - 1.959964 * math.sqrt(1500 * 1501 * 3001 / 24)
    assert centre == pytest.approx(float(np.median(averages)), abs=1e-3)
    assert interval.low == pytest.approx(float(averages[int(rank)]), abs=1e-3)
    assert interval.high == pytest.approx(float(averages[-int(rank)]), abs=1e-3)


def test_ratio_of_pairs_cancels_what_both_share() -> None:
    ratios = [math.exp(step / 100) for step in range(1, 22)]
    random.Random(1).shuffle(ratios)
    base = [10 ** (step / 7) for step in range(21)]  # a thousandfold
    ratio, interval = paired_ratio_interval([b * r for b, r in zip(base, ratios, strict=True)], base)
    assert ratio == pytest.approx(math.exp(0.11))
    assert interval.low == pytest.approx(1 / interval.high * math.exp(0.22))
    assert 1.07 < interval.low < math.exp(0.11)
