from __future__ import annotations

import contextlib
import math
import subprocess
import sys

import numpy as np
import pytest

from sebsx import stats
from sebsx.errors import UserError
from sebsx.stats import UnusableSamplesError

GOOD = [1.0 + step / 7 for step in range(400)]
OF_ONE = {
    "block_medians": lambda values: stats.block_medians(values, [place // 4 for place in range(len(values))]).tolist(),
    "change_points": stats.change_points,
    "cv": stats.cv,
    "drift": stats.drift,
    "ecdf": stats.ecdf,
    "ecdf_of_all": lambda values: stats.ecdf_of_all(values, 3),
    "harmonic_mean": stats.harmonic_mean,
    "mean_interval": stats.mean_interval,
    "median": stats.median,
    "needed_blocks": lambda values: stats.needed_blocks(values, range(len(values))),
    "order_statistic_interval": stats.order_statistic_interval,
    "precise_enough": stats.precise_enough,
    "quantile": lambda values: stats.quantile(values, 0.9),
    "quantile_interval": lambda values: stats.quantile_interval(values, 0.9),
    "quantile_interval_of_all": lambda values: stats.quantile_interval_of_all(values, 3, 0.9),
    "quantile_interval_of_blocks": lambda values: stats.quantile_interval_of_blocks(
        values, [place % 7 for place in range(len(values))], 0, 0.5
    ),
    "quantile_of_all": lambda values: stats.quantile_of_all(values, 3, 0.9),
    "relative_half_width": stats.relative_half_width,
    "signed_rank_interval": stats.signed_rank_interval,
    "spread_of": lambda values: stats.spread_of(values, [place // 4 for place in range(len(values))]),
    "tail_quantile": lambda values: stats.tail_quantile(values, 0.9),
    "two_modes": stats.two_modes,
}
OF_TWO = {
    "cliffs_delta": stats.cliffs_delta,
    "compare_differences": stats.compare_differences,
    "compare_means": lambda base, new: stats.compare_means(base, new, pairs=False),
    "compare_samples": stats.compare_samples,
    "fit_line": lambda x, y: stats.fit_line(x, y, range(len(x))),
    "compare_pairs": lambda base, new: stats.compare_samples(base, new, pairs=True),
    "mann_whitney": stats.mann_whitney,
    "median_ratio_interval": stats.median_ratio_interval,
    "paired_ratio_interval": stats.paired_ratio_interval,
    "ratio_interval": stats.ratio_interval,
    "shift_interval": stats.shift_interval,
    "wilcoxon": stats.wilcoxon,
}
CALLS = {
    **OF_ONE,
    **{f"{name} (first)": lambda values, call=call: call(values, GOOD) for name, call in OF_TWO.items()},
    **{f"{name} (second)": lambda values, call=call: call(GOOD, values) for name, call in OF_TWO.items()},
}
# What was never answered is later than all that was: these take an infinite observation for that.
TAKE_UNANSWERED = {"block_medians", "cliffs_delta", "compare_differences", "compare_pairs", "compare_samples",
                   "mann_whitney", "median_ratio_interval", "paired_ratio_interval", "ratio_interval",
                   "shift_interval", "wilcoxon"}  # fmt: skip


def test_every_estimator_is_called_here() -> None:
    takes_numbers = {"blocks_for_difference", "calls_per_block", "design_effect", "equivalent", "holm", "magnitude",
                     "median_ranks", "needed_units", "next_look", "quantile_ranks", "quantile_of_sorted",
                     "samples_for_difference", "share_difference", "tail_samples", "verdict"}  # fmt: skip
    functions = {name for name in stats.__all__ if name[0].islower()}
    assert functions - takes_numbers == (OF_ONE.keys() | OF_TWO.keys()) - {"compare_pairs"}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_finite_number_is_refused_in_one_line(name: str) -> None:
    late = name.split(" ")[0] in TAKE_UNANSWERED
    for bad in (math.nan, *([] if late else [math.inf]), -math.inf, None, "slow"):
        with pytest.raises(UnusableSamplesError) as caught:
            CALLS[name]([*GOOD[:-1], bad])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in CALLS if name.split(" ")[0] in TAKE_UNANSWERED])
def test_one_unanswered_of_many_counts_as_the_latest(name: str) -> None:
    assert repr(CALLS[name]([*GOOD[:-1], math.inf])) == repr(CALLS[name]([*GOOD[:-1], 1e9]))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_list_and_array_give_the_same_and_are_left_as_they_were(call) -> None:
    values = GOOD[::-1]
    array = np.array(values)
    array.flags.writeable = False
    assert call(array) == call(values)
    assert values == GOOD[::-1]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_nothing_gives_a_refusal_or_nothing(call) -> None:
    for values in ([], np.array([])):
        with contextlib.suppress(UserError):
            assert call(values) in ([], None, False, math.inf)


def test_table_of_numbers_is_refused() -> None:
    with pytest.raises(UnusableSamplesError, match="2 dimensions"):
        stats.median(np.ones((3, 3)))


def test_importing_statistics_imports_neither_numpy_nor_scipy() -> None:
    program = "import sys, sebsx.stats; sys.exit(any(name.split('.')[0] in ('numpy', 'scipy') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
