"""Laws that hold for any samples, and independent implementations; the examples are the same in every run."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hmean, mannwhitneyu, variation

from sebsx.stats import (
    change_points,
    cliffs_delta,
    compare_samples,
    cv,
    ecdf,
    harmonic_mean,
    holm,
    order_statistic_interval,
    paired_ratio_interval,
    quantile,
    quantile_interval,
    quantile_of_sorted,
    ratio_interval,
    shift_interval,
    verdict,
)

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
number = st.floats(-1e6, 1e6, allow_subnormal=False)
positive = st.floats(1e-6, 1e6)
# Whole numbers make many ties.
samples = st.one_of(st.lists(number, min_size=6, max_size=80), st.lists(st.integers(1, 9), min_size=6, max_size=80))
positives = st.one_of(st.lists(positive, min_size=6, max_size=60), st.lists(st.integers(1, 9), min_size=6, max_size=60))
p_values = st.lists(st.floats(0, 1), max_size=12)


@pytest.mark.slow
@few
@given(samples, st.floats(0, 1))
def test_quantile_is_that_of_numpy_and_of_the_sorted(values: list[float], q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.percentile(values, 100 * q)), abs=1e-6)
    assert quantile_of_sorted(sorted(values), q) == pytest.approx(quantile(values, q), abs=1e-6)


@few
@given(samples, st.floats(0.3, 0.7), st.floats(0.2, 0.8))
def test_ends_of_an_interval_are_observations_around_the_quantile(
    values: list[float], q: float, confidence: float
) -> None:
    interval = quantile_interval(values, q, confidence)
    assert interval.low in values
    assert interval.high in values
    assert interval.low <= interval.high
    assert interval.coverage >= confidence


@few
@given(samples)
def test_more_confidence_never_narrows_the_interval(values: list[float]) -> None:
    narrow, wide = (order_statistic_interval(values, confidence) for confidence in (0.5, 0.9))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@few
@given(samples, st.integers(2, 30))
def test_distribution_rises_to_one(values: list[float], points: int) -> None:
    found = ecdf(values, points)
    assert found == sorted(found)
    assert found[0][0] == min(values)
    assert found[-1] == (max(values), 1.0)
    assert all(share >= sum(other < value for other in values) / len(values) for value, share in found)


@pytest.mark.slow
@few
@given(samples, samples)
def test_effect_size_is_that_of_all_pairs_and_of_the_test(new: list[float], base: list[float]) -> None:
    signs = [(a > b) - (a < b) for a, b in itertools.product(new, base)]
    assert cliffs_delta(new, base) == pytest.approx(sum(signs) / len(signs))
    assert cliffs_delta(base, new) == pytest.approx(-cliffs_delta(new, base))
    u = mannwhitneyu(new, base, method="asymptotic").statistic
    assert cliffs_delta(new, base) == pytest.approx(2 * u / len(signs) - 1)


@pytest.mark.slow
@few
@given(samples, samples, st.integers(-100, 100))
def test_shift_is_that_of_all_pairs_and_follows_an_offset(new: list[float], base: list[float], offset: int) -> None:
    shift, interval = shift_interval(new, base)
    assert shift == pytest.approx(np.median(np.subtract.outer(new, base)), abs=1e-6)
    moved, around = shift_interval([value + offset for value in new], base)
    for before, after in ((shift, moved), (interval.low, around.low), (interval.high, around.high)):
        assert after == pytest.approx(before + offset, abs=1e-6)


@few
@given(positives, positives)
def test_ratio_lies_within_its_interval_and_scales(new: list[float], base: list[float]) -> None:
    ratio, interval = ratio_interval(new, base)
    assert interval.low <= ratio <= interval.high
    doubled, around = ratio_interval([2 * value for value in new], base)
    assert (doubled, around.low, around.high) == (2 * ratio, 2 * interval.low, 2 * interval.high)


@few
@given(st.lists(st.tuples(positive, positive), min_size=6, max_size=60))
def test_ratio_of_pairs_is_turned_round_by_swapping_sides(pairs: list[tuple[float, float]]) -> None:
    new, base = zip(*pairs, strict=True)
    ratio, interval = paired_ratio_interval(new, base)
    back, around = paired_ratio_interval(base, new)
    assert back == pytest.approx(1 / ratio)
    assert (around.low, around.high) == (pytest.approx(1 / interval.high), pytest.approx(1 / interval.low))


@pytest.mark.slow
@few
@given(positives, positives, st.sampled_from([0.0, 0.05, 0.5]))
def test_comparison_never_fails_and_order_does_not_matter(
    base: list[float], new: list[float], threshold: float
) -> None:
    found = compare_samples(base, new, threshold=threshold)
    assert found.low <= found.ratio <= found.high
    assert found.shift_low <= found.shift <= found.shift_high
    assert 0 <= found.p <= 1
    assert verdict(found, threshold)
    assert compare_samples(sorted(base), new[::-1], threshold=threshold) == found


@pytest.mark.slow
@few
@given(p_values)
def test_corrected_p_values_reject_what_stepping_down_rejects(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for alpha in (0.01, 0.05, 0.3):
        rejected: set[int] = set()
        for step, row in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[row] * (len(p_values) - step) > alpha:
                break
            rejected.add(row)
        assert {row for row, p in enumerate(adjusted) if p <= alpha} == rejected


@pytest.mark.slow
@few
@given(positives)
def test_spread_and_mean_of_rates_are_those_of_scipy(values: list[float]) -> None:
    assert cv(values) == pytest.approx(float(variation(values, ddof=1)), abs=1e-9)
    assert harmonic_mean(values) == pytest.approx(float(hmean(values)))


@few
@given(samples, st.integers(2, 12))
def test_levels_are_no_shorter_than_asked(values: list[float], least: int) -> None:
    edges = [0, *change_points(values, least), len(values)]
    assert all(end - start >= least for start, end in itertools.pairwise(edges)) or edges == [0, len(values)]


@pytest.mark.slow
@few
@given(positives, st.floats(0.01, 100))
def test_unit_of_the_samples_changes_neither_test_nor_ratio(values: list[float], factor: float) -> None:
    base = values[::2] * 2
    one = compare_samples(base, values)
    other = compare_samples([factor * value for value in base], [factor * value for value in values])
    assert other.ratio == pytest.approx(one.ratio)
    assert other.shift == pytest.approx(factor * one.shift, abs=1e-9 * factor * max(values))
    assert math.isfinite(other.p)
