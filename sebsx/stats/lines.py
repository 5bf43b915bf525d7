"""A straight line through observations, with what it explains and how sure its two numbers are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.stats.blocks import LEAST_BLOCKS
from sebsx.stats.samples import Interval, UnusableSamplesError, as_array, check_share
from sebsx.stats.student import quantile_of_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.stats.samples import FloatArray, Values

_EXACT = 1e-12  # a spread of places below this share of the whole is that of one place


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFit:
    """`y = intercept + slope * x`.

    Args:
        intercept: In the unit of y.
        slope: In the unit of y by that of x.
        intercept_interval: Of the intercept; None where there are too few blocks for one.
        slope_interval: Of the slope; None likewise.
        r_squared: Share of the variance of y that the line explains; 1 where y does not vary and the line is exact.
        adjusted_r_squared: The same, less what a line explains by chance.
        n: Number of observations.
        blocks: Number of blocks, which are the units of the intervals.
    """

    intercept: float
    slope: float
    intercept_interval: Interval | None
    slope_interval: Interval | None
    r_squared: float
    adjusted_r_squared: float
    n: int
    blocks: int

    def __call__(self, x: float) -> float:
        """Return the line at x."""
        return self.intercept + self.slope * x


def fit_line(x: Values, y: Values, blocks: NDArray[np.int32] | Sequence[int], confidence: float = 0.95) -> LineFit:
    """Return the least-squares line, with intervals over blocks of observations that share their luck.

    The variance is that of the lines with each block left out in turn (jackknife), and the intervals are Student's with
    one degree of freedom fewer than there are blocks. So they hold whatever observations of a block have in common,
    and although large sizes vary more than small ones.

    Args:
        x: Places, in any order.
        y: The observation at each.
        blocks: The block of each, such as its sandbox; where each has one of its own, `range(len(x))`.
        confidence: Coverage wanted.

    Returns:
        The line, without intervals for fewer than 6 blocks, or where one of them holds all but one place.

    Raises:
        TooFewSamplesError: If there are fewer than 3 observations.
        UnusableSamplesError: If x, y and blocks differ in number, or all x are equal.

    Source: MacKinnon, Nielsen & Webb, Fast and Reliable Jackknife and Bootstrap Methods for Cluster-Robust Inference
    (2023), CV3; Bell & McCaffrey, Bias Reduction in Standard Errors for Linear Regression with Multi-Stage Samples
    (2002).
    """
    import numpy as np

    check_share("confidence", confidence)
    xs, ys = as_array(x, what="a line", least=3), as_array(y, what="a line", least=3)
    n = len(xs)
    if not len(ys) == len(blocks) == n:
        raise UnusableSamplesError(f"{n} places, {len(ys)} observations and {len(blocks)} blocks do not match")
    if np.ptp(xs) == 0:
        raise UnusableSamplesError("all observations are at one place; a line needs at least two")
    _, numbers = np.unique(np.asarray(blocks), return_inverse=True)
    count = int(numbers.max()) + 1
    intercept, slope = _line(xs, ys)
    left = float(((ys - intercept - slope * xs) ** 2).sum())
    total = float(((ys - ys.mean()) ** 2).sum())
    explained = 1 - left / total if total > 0 else 1.0
    at = by = None
    others = (
        [_line(xs[numbers != block], ys[numbers != block]) for block in range(count)] if count >= LEAST_BLOCKS else []
    )
    if others and all(math.isfinite(value) for line in others for value in line):
        reach = quantile_of_t((1 + confidence) / 2, count - 1) * math.sqrt((count - 1) / count)
        at, by = (
            Interval(value - half, value + half, coverage=confidence, n=count)
            for value, half in zip(
                (intercept, slope), reach * np.sqrt(((np.array(others) - (intercept, slope)) ** 2).sum(0)), strict=True
            )
        )
    return LineFit(
        intercept=intercept,
        slope=slope,
        intercept_interval=at,
        slope_interval=by,
        r_squared=explained,
        adjusted_r_squared=1 - (1 - explained) * (n - 1) / (n - 2),
        n=n,
        blocks=count,
    )


def _line(xs: FloatArray, ys: FloatArray) -> tuple[float, float]:
    """Return intercept and slope of the least-squares line; NaN where all observations are at one place."""
    middle = float(xs.mean())
    spread = float(((xs - middle) ** 2).sum())
    if spread <= _EXACT * len(xs) * middle**2:
        return math.nan, math.nan
    slope = float(((xs - middle) * (ys - ys.mean())).sum()) / spread
    return float(ys.mean()) - slope * middle, slope
