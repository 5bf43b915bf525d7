"""The model against lines that are known, and crossovers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sebsx.reading.blocks import Observations
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
    found = crossover(small, large, 0.95, 10, 6)
    assert found is not None
    assert found.value == pytest.approx(40_000)
    assert crossover(large, small, 0.95, 10, 6) is None
    assert crossover(exact(0.001, 50e6), large, 0.95, 10, 6) is None  # always faster


def test_model_names_the_fastest_up_to_each_crossover() -> None:
    lines = {"slow start": exact(0.010, 20e6), "quick start": exact(0.002, 4e6)}
    first, second = fastest(lines, 1.0, 1048576.0)
    assert (first.channel, second.channel) == ("quick start", "slow start")
    assert first.high == pytest.approx(40_000, rel=0.04)  # a point of a grid of 400 over six decades
    assert second.high == 1048576.0


def observed(values: np.ndarray) -> Observations:
    """Return observations: a column of the values is a block."""
    return Observations.listed(values.T.ravel().tolist(), np.repeat(np.arange(values.shape[1]), len(values)).tolist())


def test_channel_ends_at_its_largest_message() -> None:
    lines = {"short": exact(0.001, 50e6, SIZES[:3]), "long": exact(0.010, 20e6)}
    first, second = fastest(lines, 1.0, 1048576.0)
    assert (first.channel, second.channel) == ("short", "long")
    assert first.high <= 16384


def missed_by_model(blocks: int, experiments: int) -> tuple[float, float]:
    """Return how often the intervals of alpha and beta miss.

    Both parts have median 1 from one pair of sandboxes to the next, with 20 % between them and 5 % within.
    """
    truth_s, beta = 0.004, 25e6
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(experiments):
        luck = rng.lognormal(0, 0.2, (2, blocks))
        sizes = [
            observed((luck[0] * truth_s + luck[1] * size / beta) * rng.lognormal(0, 0.05, (10, blocks)))
            for size in SIZES
        ]
        line = fitted(SIZES, resampled_medians(sizes, rng))
        for place, (values, truth) in enumerate(((line.alpha_s, truth_s), (bandwidth(line), beta))):
            found = interval(values, 0.95, 45, blocks)
            assert found.low is not None
            assert found.high is not None
            missed[place] += not found.low <= truth <= found.high
    return missed[0] / experiments, missed[1] / experiments


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [6, 10])
def test_intervals_hold_whatever_lies_between_sandboxes(blocks: int) -> None:
    # 5 % of 40 is 2; more than 6 has a chance of less than 1 in 100 where coverage is 95 %.
    assert max(missed_by_model(blocks, 40)) <= 6 / 40


@pytest.mark.slow
def test_channels_that_are_alike_have_no_crossing_that_is_sure() -> None:
    rng = np.random.default_rng(3)
    crossed = 0
    for _ in range(20):
        luck = rng.lognormal(0, 0.05, 8)  # both channels have the same sandboxes in a round
        lines = []
        for _channel in range(2):
            sizes = [observed((0.004 + size / 25e6) * luck * rng.lognormal(0, 0.1, (10, 8))) for size in SIZES]
            lines.append(fitted(SIZES, resampled_medians(sizes, np.random.default_rng(0))))
        found = crossover(lines[0], lines[1], 0.95, 80, 8)
        crossed += found is not None and found.low is not None and not found.note
    assert crossed <= 3  # 5 % of 20 is 1


def test_resamples_draw_blocks_with_all_their_sizes() -> None:
    levels = np.arange(1.0, 8.0)
    first, second = resampled_medians([observed(levels[None]), observed(10 * levels[None])], np.random.default_rng(2)).T
    assert len(first) == RESAMPLES + 1
    assert first[0] == 4.0
    assert second == pytest.approx(10 * first)
    assert set(np.unique(first)) <= set(levels)


def test_size_that_a_block_lacks_is_drawn_from_the_others() -> None:
    whole, part = observed(np.ones((3, 6))), observed(np.full((3, 6), 2.0))
    found = resampled_medians([whole, part.where(part.blocks > 2)], np.random.default_rng(2))
    assert np.isfinite(found).all()
    assert (found == [1.0, 2.0]).all()


def test_few_blocks_give_no_interval_however_many_messages_they_had() -> None:
    medians = resampled_medians([observed(np.random.default_rng(1).random((100, 5)))], np.random.default_rng(0))
    found = interval(medians[:, 0], 0.95, 500, 5)
    assert (found.low, found.note, found.blocks) == (None, "5 sandboxes", 5)
