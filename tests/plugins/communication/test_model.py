"""The model against lines that are known, and crossovers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sebsx_communication.model import (
    RESAMPLES,
    Line,
    bandwidth,
    crossover,
    fastest,
    fitted,
    interval,
    resampled_medians,
)

SIZES = np.array([1.0, 1024.0, 16384.0, 131072.0, 1048576.0])


def exact(alpha_s: float, beta: float, sizes: np.ndarray = SIZES) -> Line:
    medians = np.tile(alpha_s + sizes / beta, (3, 1))
    return fitted(sizes, medians)


def test_exact_line_is_found_exactly() -> None:
    line = exact(0.005, 100e6)
    assert line.alpha_s == pytest.approx([0.005] * 3)
    assert bandwidth(line) == pytest.approx([100e6] * 3)
    assert line.deviation == pytest.approx([0.0] * 5, abs=1e-9)


def test_small_messages_count_as_much_as_large_ones() -> None:
    # An absolute fit would put alpha anywhere: at 1 MiB the latency is 105 ms, of which alpha is 0.34 ms.
    medians = 0.00034 + SIZES / 10e6
    medians[-1] *= 1.02
    line = fitted(SIZES, medians[None, :])
    assert line.alpha_s[0] == pytest.approx(0.00034, rel=0.01)


def test_one_size_that_is_an_outlier_hardly_moves_the_line() -> None:
    sizes = np.array([1.0, 64, 1024, 8192, 16384, 65536, 131072, 1048576])
    medians = 0.005 + sizes / 50e6
    medians[3] *= 3
    line = fitted(sizes, medians[None, :])
    assert line.alpha_s[0] == pytest.approx(0.005, rel=0.03)
    assert bandwidth(line)[0] == pytest.approx(50e6, rel=0.03)
    assert line.deviation[3] == pytest.approx(2, abs=0.1)


def test_neither_part_is_ever_negative() -> None:
    falling = fitted(SIZES, np.array([[5.0, 4.0, 3.0, 2.0, 1.0]]))
    assert falling.s_per_byte[0] == 0
    assert falling.alpha_s[0] > 0
    assert np.isinf(bandwidth(falling)[0])
    steep = fitted(np.array([1.0, 2.0]), np.array([[1.0, 3.0]]))
    assert steep.alpha_s[0] == 0
    assert steep.s_per_byte[0] > 0


def test_crossover_is_where_the_lines_meet() -> None:
    # 2 ms + size / 4 MB/s against 10 ms + size / 20 MB/s: 8 ms / (0.25 - 0.05 us) = 40,000 bytes.
    small, large = exact(0.002, 4e6), exact(0.010, 20e6)
    found = crossover(small, large, 0.95, 10)
    assert found is not None
    assert found.value == pytest.approx(40_000)
    assert crossover(large, small, 0.95, 10) is None
    assert crossover(exact(0.001, 50e6), large, 0.95, 10) is None  # always faster


def test_model_names_the_fastest_up_to_each_crossover() -> None:
    lines = {"slow start": exact(0.010, 20e6), "quick start": exact(0.002, 4e6)}
    first, second = fastest(lines, 1.0, 1048576.0)
    assert (first.channel, second.channel) == ("quick start", "slow start")
    assert first.high == pytest.approx(40_000, rel=0.04)  # a point of a grid of 400 over six decades
    assert second.high == 1048576.0


def test_channel_ends_at_its_largest_message() -> None:
    lines = {"short": exact(0.001, 50e6, SIZES[:3]), "long": exact(0.010, 20e6)}
    first, second = fastest(lines, 1.0, 1048576.0)
    assert (first.channel, second.channel) == ("short", "long")
    assert first.high <= 16384


def test_interval_covers_the_truth_in_nineteen_of_twenty_trials() -> None:
    truth_s, beta = 0.004, 25e6
    rng = np.random.default_rng(1)
    hits = {"alpha": 0, "beta": 0}
    trials = 60
    for _ in range(trials):
        columns = []
        for size in SIZES:
            # Median 1: log-normal noise of 20 %.
            groups = [((truth_s + size / beta) * rng.lognormal(0, 0.2, 15)).tolist() for _ in range(3)]
            columns.append(resampled_medians(groups, rng))
        line = fitted(SIZES, np.stack(columns, axis=1))
        alpha, rate = interval(line.alpha_s, 0.95, 45), interval(bandwidth(line), 0.95, 45)
        assert alpha.low is not None and alpha.high is not None and rate.low is not None and rate.high is not None  # noqa: PT018
        hits["alpha"] += alpha.low <= truth_s <= alpha.high
        hits["beta"] += rate.low <= beta <= rate.high
    # 95 % of 60 is 57; fewer than 52 has a chance of less than 1 in 100 where coverage is 95 %.
    assert min(hits.values()) >= 52, hits


def test_resamples_draw_whole_exchanges_first() -> None:
    # Two exchanges on different levels: the median of a resample is one level or the other, hardly ever between.
    rng = np.random.default_rng(2)
    medians = resampled_medians([[1.0] * 20, [3.0] * 20], rng)
    assert len(medians) == RESAMPLES + 1
    assert medians[0] == 2.0
    assert np.mean(medians[1:] == 1.0) == pytest.approx(0.25, abs=0.2)
    assert set(np.unique(medians[1:])) <= {1.0, 2.0, 3.0}
    assert np.mean(medians[1:] != 2.0) > 0.4


def test_few_samples_give_no_interval() -> None:
    medians = resampled_medians([[1.0, 2.0]], np.random.default_rng(0))
    found = interval(medians, 0.95, 2)
    assert (found.value, found.low, found.note) == (1.5, None, "n too small")
