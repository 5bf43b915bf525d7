"""Ranks and their tests are those of scipy, which takes longer to import than a report takes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from sebsx.stats.ranks import kruskal_wallis, ranks, theil_sen
from sebsx.stats.student import quantile_of_t, tail_of_t

# What a report asks of a run; the test of pairs, exact as it is, is left to scipy.
PROGRAM = """
import sys
from sebsx import stats
values = [1.0 + (7 * step % 11) / 10 for step in range(60)]
stats.drift(values)
stats.change_points(values)
stats.mann_whitney(values, values[::2])
stats.mean_interval(values)
stats.fit_line(range(60), values, range(60))
sys.exit("scipy.stats" in sys.modules)
"""
rng = np.random.default_rng(3)
SAMPLES = {
    "without ties": (rng.lognormal(size=40), rng.lognormal(size=30)),
    "with ties": (rng.integers(1, 6, 40).astype(float), rng.integers(2, 7, 30).astype(float)),
}
every = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
Sample = tuple[NDArray[np.float64], NDArray[np.float64]]


@every
def test_ranks_are_those_of_scipy(sample: Sample) -> None:
    assert ranks(sample[0]).tolist() == scipy.stats.rankdata(sample[0]).tolist()


@every
def test_test_of_groups_is_that_of_scipy(sample: Sample) -> None:
    groups = [*sample, sample[0][::2] + 1]
    assert kruskal_wallis(groups) == pytest.approx(tuple(scipy.stats.kruskal(*groups)), rel=1e-9)


@every
def test_slope_and_its_interval_are_those_of_scipy(sample: Sample) -> None:
    for times in (np.arange(40.0), np.floor(np.arange(40.0) / 3)):
        found = scipy.stats.theilslopes(sample[0], times, alpha=0.9)
        assert theil_sen(sample[0], times, 0.9) == pytest.approx(
            (found.slope, found.low_slope, found.high_slope), rel=1e-9
        )


def test_distribution_of_student_is_that_of_scipy() -> None:
    assert quantile_of_t(0.975, 7) == pytest.approx(scipy.stats.t.ppf(0.975, 7), rel=1e-12)
    assert tail_of_t(2.1, 7) == pytest.approx(scipy.stats.t.sf(2.1, 7), rel=1e-12)


@pytest.mark.slow
def test_what_a_report_needs_does_not_import_the_statistics_of_scipy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
