from __future__ import annotations

import numpy as np
import pytest

from sebsx.reading.reporting import thinning


def test_few_observations_are_all_kept() -> None:
    assert thinning.in_order(np.array([3.0, 1.0])).tolist() == [0, 1]


@pytest.mark.parametrize("n", [1501, 1_000_000])
def test_thinned_series_keeps_spikes_in_order(n: int) -> None:
    values = np.ones(n)
    values[n // 3 + 17], values[n // 2 + 17] = 50.0, 0.01
    places = thinning.in_order(values)
    assert len(places) <= 1500
    assert {0, n // 3 + 17, n // 2 + 17, n - 1} <= set(places.tolist())
    assert np.all(np.diff(places) > 0)
