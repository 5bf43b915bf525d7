"""Rows that must not be believed: run times that cannot be, and processor times that do not add up.

In a machine of its own, `wall ~ (user + nice + kernel + idle + iowait + irq + softirq + steal) / processors` (Linux
time accounting). Where that is missed by more than 5 %, whoever collected the counters read those of somebody else, or
of another span of time. A control group has no idle time: there, no more may be used than there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.reading.units import percent
from sebsx_arm_prediction.dataset import COMPONENTS, CPUS, FEATURES, RUNTIME

if TYPE_CHECKING:
    from sebsx.model.frame import Mask, Numbers
    from sebsx_arm_prediction.dataset import Dataset

TOLERANCE = 0.05
SHORTEST_S = 0.5  # below it, the ticks of eight counters are more than the tolerance
_IDLE = "cpuIdleDelta_s"
_BUSY = ("cpuUserDelta_s", "cpuNiceDelta_s", "cpuKernelDelta_s", "cpuIrqDelta_s", "cpuSoftIrqDelta_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of some rows.

    Args:
        good: The rows that may be believed.
        reasons: How many may not, by the reason, in words.
        unjudged: How many have no processor times, or are too short to tell.
    """

    good: Dataset
    reasons: dict[str, int]
    unjudged: int


def judge(dataset: Dataset, tolerance: float = TOLERANCE) -> Judged:
    """Return the rows that may be believed, with a note of how many may not and why.

    Args:
        dataset: As it was read; `completed` fills in the idle time that this asks for, and comes afterwards.
        tolerance: Relative error of the accounting that is allowed.
    """
    import numpy as np  # heavy

    run_s = dataset[RUNTIME]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        causes: list[tuple[str, Mask]] = [
            ("no run time", np.isnan(run_s)),
            ("a run time of 0 or less", run_s <= 0),
            ("an infinite run time", np.isinf(run_s)),
            *((f"an infinite {feature.name}", np.isinf(dataset[feature.name])) for feature in FEATURES),
            *((f"a negative {feature.name}", dataset[feature.name] < 0) for feature in FEATURES),
        ]
        errors = accounting_error(dataset)
        judged = run_s >= SHORTEST_S
        wrong = judged & (errors > tolerance)
    causes.append((f"processor times that miss the run time by more than {percent(tolerance)}", wrong))
    bad = np.zeros(len(dataset), dtype=bool)
    reasons = {}
    for reason, mask in causes:
        if count := int((mask & ~bad).sum()):
            reasons[reason] = count
        bad |= mask
    good = dataset.select(where=~bad) if bad.any() else dataset
    notes = [f"{int(bad.sum()):,} of {len(dataset):,} rows left out: {told(reasons)}"] if reasons else []
    unjudged = int((~judged | np.isnan(errors))[~bad].sum())
    return Judged(good=good.marked(*notes), reasons=reasons, unjudged=unjudged)


def accounting_error(dataset: Dataset) -> Numbers:
    """Return for each row how far the processor times miss its run time, as a share of it; NaN where none are told."""
    import numpy as np  # heavy

    run_s = dataset[RUNTIME]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        total_s = np.nansum(dataset.matrix(COMPONENTS), axis=1) / dataset[CPUS]
        busy_s = np.nansum(dataset.matrix(_BUSY), axis=1) / dataset[CPUS]
        of_group = np.isnan(dataset[_IDLE])
        error: Numbers = np.where(of_group, np.maximum(0.0, busy_s - run_s), np.abs(total_s - run_s))
        error = error / run_s
    error[np.isnan(dataset["cpuUserDelta_s"]) | np.isnan(dataset["cpuKernelDelta_s"])] = np.nan
    return error


def told(reasons: dict[str, int]) -> str:
    """Return reasons in one line: `3 with no run time, 1 with a negative cpuUserDelta_s`."""
    return ", ".join(f"{count:,} with {reason}" for reason, count in reasons.items())
