"""Shares that differ, and blocks that fail together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from sebsx.stats import Share, UnusableSamplesError, design_effect, share_difference


def test_interval_of_two_shares_is_that_of_newcombe() -> None:
    # Newcombe (1998), table II: 56/70 against 48/80 by method 10 gives 0.0524 to 0.3339.
    found = share_difference(Share(count=48, n=80), Share(count=56, n=70))
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.2),
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )
    assert found.p == pytest.approx(fisher_exact([[48, 32], [56, 14]]).pvalue)


def side(*failed_of: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return calls of blocks of which so many of so many failed."""
    hits = np.concatenate([np.arange(n) < failed for failed, n in failed_of])
    blocks = np.repeat(np.arange(len(failed_of)), [n for _, n in failed_of]).astype(np.int32)
    return hits, blocks


def test_blocks_that_fail_as_a_whole_count_once() -> None:
    # One of 5 blocks of 8: residuals 6.4 and four times -1.6, so 5/4 x 51.2 = 64 against 40/39 x 40 x 0.2 x 0.8.
    assert design_effect([side((0, 8), (0, 8), (0, 8)), side((8, 8), *[(0, 8)] * 4)]) == pytest.approx(9.75)


def test_calls_that_fail_apart_count_each() -> None:
    assert design_effect([side(*[(1, 1)] * 3, *[(0, 1)] * 37)]) == pytest.approx(1.0)
    assert design_effect([side(*[(2, 10)] * 5)]) == 1.0  # blocks that are alike make nothing smaller


@pytest.mark.parametrize("sides", [[], [side((3, 9))], [side((0, 4), (0, 4)), side((4, 4), (4, 4))]])
def test_where_nothing_can_be_told_calls_are_taken_as_they_are(sides: list) -> None:
    assert design_effect(sides) == 1.0


def test_calls_and_blocks_must_match() -> None:
    with pytest.raises(UnusableSamplesError, match="3 observations and 2 blocks"):
        design_effect([(np.zeros(3, dtype=bool), np.zeros(2, dtype=np.int32))])


@pytest.mark.slow
def test_a_broken_sandbox_a_side_is_no_regression_as_often_as_is_said() -> None:
    """Two versions of which each sandbox is broken with a probability of 10 %: at most 5 % of tests may reject."""
    rng, rejected = np.random.default_rng(1), 0
    for _ in range(400):
        sides = [side(*[(int(10 * broken), 10) for broken in rng.random(12) < 0.1]) for _ in range(2)]
        effect = design_effect(sides)
        shares = [Share(count=int(hits.sum()), n=len(hits)).worth(effect) for hits, _ in sides]
        rejected += share_difference(*shares).p <= 0.05
    assert rejected <= 400 * 0.05
