"""How long each estimator takes for 10^4 to 10^6 values; prints JSON, seconds by name and size.

    python tests/perf/stats.py [SIZE ...]

`sort_s` is numpy's sort of as many values in the same run, for scale; `from_list_s` a median of a plain list.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from sebsx import stats

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (10_000, 100_000, 1_000_000)


def calls(base: Any, new: Any) -> dict[str, Callable[[], Any]]:
    """Return what is timed."""
    as_list = new.tolist()
    return {
        "sort_s": lambda: np.sort(new),
        "from_list_s": lambda: stats.median(as_list),
        "quantile_s": lambda: stats.tail_quantile(new, 0.99),
        "order_statistic_interval_s": lambda: stats.order_statistic_interval(new),
        "quantile_interval_s": lambda: stats.quantile_interval(new, 0.99),
        "ecdf_s": lambda: stats.ecdf(new),
        "mean_interval_s": lambda: stats.mean_interval(new),
        "mann_whitney_s": lambda: stats.mann_whitney(new, base),
        "cliffs_delta_s": lambda: stats.cliffs_delta(new, base),
        "ratio_interval_s": lambda: stats.ratio_interval(new, base),
        "median_ratio_interval_s": lambda: stats.median_ratio_interval(new, base),
        "shift_interval_s": lambda: stats.shift_interval(new, base),
        "paired_ratio_interval_s": lambda: stats.paired_ratio_interval(new, base),
        "wilcoxon_s": lambda: stats.wilcoxon(new, base),
        "compare_unpaired_s": lambda: stats.compare_samples(base, new),
        "compare_paired_s": lambda: stats.compare_samples(base, new, pairs=True),
        "drift_s": lambda: stats.drift(new),
        "two_modes_s": lambda: stats.two_modes(new),
        "change_points_s": lambda: stats.change_points(new),
    }


def seconds(call: Callable[[], Any]) -> float:
    """Return how long one call takes, ranks being computed anew."""
    stats.quantile_ranks.cache_clear()
    begun = time.perf_counter()
    call()
    return round(time.perf_counter() - begun, 4)


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(1)
    for call in calls(rng.lognormal(0, 0.3, 500), rng.lognormal(0, 0.3, 500)).values():
        call()  # imports scipy, which is no estimator's cost
    figures: dict[str, Any] = {}
    for size in [int(word) for word in sys.argv[1:]] or SIZES:
        base, new = rng.lognormal(0, 0.3, size), 1.05 * rng.lognormal(0, 0.3, size)
        figures[str(size)] = {name: seconds(call) for name, call in calls(base, new).items()}
    figures["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
