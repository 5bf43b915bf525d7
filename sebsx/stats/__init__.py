"""Quantiles, intervals, comparisons, planning and the shape of a series; each estimator with its source.

Nothing here assumes a normal distribution: run times have long tails and several modes. Everything takes a list of
floats or a numpy array in any order, keeps its unit, refuses what is not a finite number (`UnusableSamplesError`), and
refuses what a sample is too small for (`TooFewSamplesError`) rather than guess. Nothing is random: what resamples has a
fixed seed and does not depend on the order of the observations. docs/methods/statistics.md says what to use when.

numpy and scipy are imported inside the functions that need them, so that the command line starts fast.
"""

from __future__ import annotations

from sebsx.stats.blocks import (
    LEAST_BLOCKS,
    Spread,
    block_medians,
    blocks_for_difference,
    calls_per_block,
    spread_of,
)
from sebsx.stats.compare import (
    POWER,
    Comparison,
    Verdict,
    compare_differences,
    compare_samples,
    equivalent,
    holm,
    needed_units,
    verdict,
)
from sebsx.stats.lines import LineFit, fit_line
from sebsx.stats.means import LEAST_FOR_MEANS, compare_means
from sebsx.stats.planning import needed_blocks, next_look, precise_enough, relative_half_width, samples_for_difference
from sebsx.stats.quantiles import (
    ecdf,
    median,
    median_ranks,
    order_statistic_interval,
    quantile,
    quantile_interval,
    quantile_of_sorted,
    quantile_ranks,
    tail_quantile,
    tail_samples,
)
from sebsx.stats.samples import Interval, SamplesError, TooFewSamplesError, UnusableSamplesError, Values
from sebsx.stats.series import Drift, Modes, change_points, drift, two_modes
from sebsx.stats.shares import Share, ShareDifference, design_effect, share_difference
from sebsx.stats.spread import LEAST_ALIKE, cv, harmonic_mean, mean_interval
from sebsx.stats.twosample import (
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
from sebsx.stats.unserved import (
    NotReachedError,
    ecdf_of_all,
    quantile_interval_of_all,
    quantile_interval_of_blocks,
    quantile_of_all,
)

__all__ = [
    "LEAST_ALIKE",
    "LEAST_BLOCKS",
    "LEAST_FOR_MEANS",
    "POWER",
    "Comparison",
    "Drift",
    "Interval",
    "LineFit",
    "Modes",
    "NotReachedError",
    "SamplesError",
    "Share",
    "ShareDifference",
    "Spread",
    "TooFewSamplesError",
    "UnusableSamplesError",
    "Values",
    "Verdict",
    "block_medians",
    "blocks_for_difference",
    "calls_per_block",
    "change_points",
    "cliffs_delta",
    "compare_differences",
    "compare_means",
    "compare_samples",
    "cv",
    "design_effect",
    "drift",
    "ecdf",
    "ecdf_of_all",
    "equivalent",
    "fit_line",
    "harmonic_mean",
    "holm",
    "magnitude",
    "mann_whitney",
    "mean_interval",
    "median",
    "median_ranks",
    "median_ratio_interval",
    "needed_blocks",
    "needed_units",
    "next_look",
    "order_statistic_interval",
    "paired_ratio_interval",
    "precise_enough",
    "quantile",
    "quantile_interval",
    "quantile_interval_of_all",
    "quantile_interval_of_blocks",
    "quantile_of_all",
    "quantile_of_sorted",
    "quantile_ranks",
    "ratio_interval",
    "relative_half_width",
    "samples_for_difference",
    "share_difference",
    "shift_interval",
    "signed_rank_interval",
    "spread_of",
    "tail_quantile",
    "tail_samples",
    "two_modes",
    "verdict",
    "wilcoxon",
]
