"""Prediction intervals for functions that were not seen, from errors on functions that were left out.

Rows of one function err alike, so the unit is the function and not the row: every function weighs the same, and one
more, the function that is asked about, may err by anything. What is covered is therefore at most K / (K + 1) with K
functions. Libraries of conformal prediction take rows for exchangeable, or groups that were seen.

Source: Lee, Barber, Willett, Distribution-Free Inference with Hierarchical Data (2023), arXiv:2306.06342, section 3;
Dunn, Wasserman, Ramdas, Distribution-Free Prediction Sets for Two-Layer Hierarchical Models, JASA 118 (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model.frame import Numbers, Places

LEVELS = (0.95, 0.9, 0.8, 0.67, 0.5)


def half_width(scores: Mapping[str, Numbers], level: float) -> float | None:
    """Return the error that a function not seen stays within with some probability; None where that cannot be known.

    Args:
        scores: Errors of the rows of each function, which the model was not fitted to.
        level: Coverage wanted, 0 < level < 1.
    """
    import numpy as np  # heavy

    count = len(scores)
    if not count or level > count / (count + 1):
        return None
    values = np.concatenate(list(scores.values()))
    weights = np.concatenate([np.full(len(rows), 1 / ((count + 1) * len(rows))) for rows in scores.values()])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, level - 1e-12))
    return float(values[order][min(place, len(values) - 1)])


def best_level(count: int, wanted: float) -> float | None:
    """Return the largest of `LEVELS` that is no more than wanted and that so many functions allow; None for none."""
    return next((level for level in LEVELS if level <= wanted and level <= count / (count + 1)), None)


def coverage(scores: Mapping[str, Numbers], level: float) -> float | None:
    """Return the share of rows within the interval that the other functions give, each function counting alike."""
    import numpy as np  # heavy

    shares = []
    for name, rows in scores.items():
        half = half_width({other: errors for other, errors in scores.items() if other != name}, level)
        if half is not None:
            shares.append(float(np.mean(rows <= half)))
    return float(np.mean(shares)) if shares else None


def covered(scores: Mapping[str, Numbers], half: float) -> float | None:
    """Return the share of rows within an interval, each function counting alike."""
    import numpy as np  # heavy

    return float(np.mean([np.mean(rows <= half) for rows in scores.values()])) if scores else None


def log_errors(predicted: Numbers, truth: Numbers) -> Numbers:
    """Return how far predictions are off, as the absolute logarithm of the ratio: 0.1 is about 10 %."""
    import numpy as np  # heavy

    found: Numbers = np.abs(np.log(predicted / truth))
    return found


def by_function(errors: Numbers, functions: Sequence[str], function_of: Places) -> dict[str, Numbers]:
    """Return the errors of the rows of each function."""
    return {name: errors[function_of == place] for place, name in enumerate(functions)}
