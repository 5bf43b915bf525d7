from __future__ import annotations

import numpy as np
import pytest

from sebsx.reporting import thinning


def test_few_observations_are_all_kept() -> None:
    assert thinning.distribution(np.array([3.0, 1.0, 2.0, 2.0])) == [(1.0, 0.25), (2.0, 0.5), (2.0, 0.75), (3.0, 1.0)]
    assert thinning.in_order(np.array([3.0, 1.0])).tolist() == [0, 1]
    assert thinning.distribution(np.array([])) == []


def test_thinned_distribution_keeps_every_quantile_and_both_extremes() -> None:
    values = np.random.default_rng(1).lognormal(size=100_003)
    points = thinning.distribution(values)
    assert len(points) <= 200
    assert points[0][0] == values.min()
    assert points[-1] == (values.max(), 1.0)
    shares = np.array([share for _, share in points])
    assert np.diff(shares).max() < 1 / 150
    drawn = np.array([value for value, _ in points])
    assert np.array_equal(np.searchsorted(np.sort(values), drawn, side="right") / len(values), shares)


def test_thinned_distribution_keeps_the_tail_beyond_the_even_steps() -> None:
    shares = [share for _, share in thinning.distribution(np.arange(1_000_000.0))]
    for tail in (1e-2, 1e-3, 1e-4, 1e-5):
        assert min(abs(share - (1 - tail)) for share in shares) < tail


@pytest.mark.parametrize("n", [1501, 1_000_000])
def test_thinned_series_keeps_spikes_in_order(n: int) -> None:
    values = np.ones(n)
    values[n // 3], values[n // 2] = 50.0, 0.01
    places = thinning.in_order(values)
    assert len(places) <= 1500
    assert {0, n // 3, n // 2, n - 1} <= set(places.tolist())
    assert np.all(np.diff(places) > 0)
