"""Quantiles of a sample of which some was never answered."""

from __future__ import annotations

import numpy as np
import pytest

from sebsx.stats import (
    NotReachedError,
    TooFewSamplesError,
    ecdf_of_all,
    quantile,
    quantile_interval,
    quantile_interval_of_all,
    quantile_interval_of_blocks,
    quantile_of_all,
)

ANSWERED = [float(value) for value in range(1, 73)]  # 72 answered, 28 not


def test_quantile_among_the_answered_is_exact() -> None:
    # 100 in all: type 7 reads p50 at position 49.5 and p71 at 70.29, counted from 0.
    assert quantile_of_all(ANSWERED, 28, 0.5) == pytest.approx(50.5)
    assert quantile_of_all(ANSWERED, 28, 0.71) == pytest.approx(71.29)


@pytest.mark.parametrize("q", [0.72, 0.9, 0.99])
def test_quantile_that_reaches_the_unanswered_is_refused_with_their_share(q: float) -> None:
    # Position 71.28 of p72 lies between the last answered and the first that was not.
    with pytest.raises(NotReachedError, match="not reached: 28 % failed"):
        quantile_of_all(ANSWERED, 28, q)


def test_nothing_answered_is_all_unserved() -> None:
    with pytest.raises(NotReachedError, match="not reached: all failed"):
        quantile_of_all([], 3, 0.5)


@pytest.mark.parametrize("unserved", [0, 1, 7, 30])
@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_unanswered_are_as_late_as_can_be_and_no_later(unserved: int, q: float) -> None:
    values = np.random.default_rng(unserved).exponential(size=70)
    late = [*values, *[1e9] * unserved]
    expected = quantile(late, q)
    if expected < 1e6:
        assert quantile_of_all(values, unserved, q) == pytest.approx(expected)
    else:
        with pytest.raises(NotReachedError):
            quantile_of_all(values, unserved, q)


def test_interval_has_the_ranks_of_all() -> None:
    # Le Boudec 2010: of 100 the median lies between ranks 40 and 61; without the 28 it would be 28 and 45 of 72.
    interval = quantile_interval_of_all(ANSWERED, 28, 0.5)
    assert (interval.low, interval.high, interval.n) == (40.0, 61.0, 100)
    assert interval.coverage == quantile_interval([*ANSWERED, *range(1000, 1028)], 0.5).coverage


def test_interval_that_ends_among_the_unanswered_is_refused() -> None:
    with pytest.raises(NotReachedError):
        quantile_interval_of_all(ANSWERED[:60], 40, 0.5)
    with pytest.raises(TooFewSamplesError):
        quantile_interval_of_all([1.0, 2.0], 1, 0.5)


def test_distribution_ends_at_the_share_that_was_answered() -> None:
    curve = ecdf_of_all(ANSWERED, 28)
    assert curve[-1] == (72.0, pytest.approx(0.72))
    assert curve[0] == (1.0, pytest.approx(0.01))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.28])
def test_interval_covers_the_quantile_of_all(share: float) -> None:
    # Truth: of all requests a share is never answered; the rest is exponential. p(q) of all is the q/(1 - share)
    # quantile of the answered ones; where it is not reached, nothing is said, which cannot be wrong.
    q = 0.5
    truth = -np.log(1 - q / (1 - share))
    rng, covered, said = np.random.default_rng(7), 0, 0
    for _ in range(600):
        answered = int((rng.random(80) >= share).sum())
        try:
            interval = quantile_interval_of_all(rng.exponential(size=answered), 80 - answered, q)
        except NotReachedError:
            continue
        said += 1
        covered += interval.low <= truth <= interval.high
    assert said > 500
    assert covered / said > 0.93


def missed_by_load(between: float, experiments: int) -> tuple[float, float, float]:
    """Return how often the median's interval over blocks is refused, how often it misses, and that of calls."""
    rng = np.random.default_rng(20261130)
    sizes = np.arange(16, 61, 4)
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    missed = refused = apart = 0
    for _ in range(experiments):
        values = (rng.lognormal(0, between, len(sizes))[blocks] if between else 1.0) * rng.lognormal(
            0, 0.1, len(blocks)
        )
        try:
            interval = quantile_interval_of_blocks(values, blocks, 0, 0.5)
        except TooFewSamplesError:  # it would reach past the extremes
            refused += 1
            continue
        missed += not interval.low <= 1.0 <= interval.high
        calls = quantile_interval(values, 0.5)
        apart += not calls.low <= 1.0 <= calls.high
    return refused / experiments, missed / experiments, apart / experiments


@pytest.mark.parametrize("between", [0.0, 0.2])
def test_interval_over_blocks_holds_whatever_they_have_in_common_and_however_unlike_their_sizes(between: float) -> None:
    refused, missed, apart = missed_by_load(between, 200)
    assert refused <= 0.02
    assert missed <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
    if between:
        assert apart > 0.5  # calls as units


def test_interval_over_blocks_of_independent_calls_is_that_of_calls() -> None:
    values = np.arange(1.0, 2001.0)
    blocks = np.random.default_rng(1).integers(500, size=2000)
    interval, calls = quantile_interval_of_blocks(values, blocks, 0, 0.5), quantile_interval(values, 0.5)
    assert interval.low == pytest.approx(calls.low, abs=10)
    assert interval.high == pytest.approx(calls.high, abs=10)


def test_unanswered_ones_lie_behind_the_interval_over_blocks() -> None:
    values, blocks = np.tile(np.arange(1.0, 11.0), 7), np.repeat(np.arange(7), 10)
    assert (
        quantile_interval_of_blocks(values, blocks, 10, 0.5).low
        > quantile_interval_of_blocks(values, blocks, 0, 0.5).low
    )
    with pytest.raises(NotReachedError, match="failed"):
        quantile_interval_of_blocks(values, blocks, 60, 0.5)
    with pytest.raises(TooFewSamplesError, match="needs at least 6"):
        quantile_interval_of_blocks(values, blocks % 5, 0, 0.5)
