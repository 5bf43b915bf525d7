"""A straight line through observations, with what it explains and how sure its two numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.stats.samples import Interval, UnusableSamplesError, as_array, check_share

if TYPE_CHECKING:
    from sebsx.stats.samples import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFit:
    """`y = intercept + slope * x`.

    Args:
        intercept: In the unit of y.
        slope: In the unit of y by that of x.
        intercept_interval: Of the intercept.
        slope_interval: Of the slope.
        r_squared: Share of the variance of y that the line explains; 1 where y does not vary and the line is exact.
        adjusted_r_squared: The same, less what a line explains by chance.
        n: Number of observations.
    """

    intercept: float
    slope: float
    intercept_interval: Interval
    slope_interval: Interval
    r_squared: float
    adjusted_r_squared: float
    n: int

    def __call__(self, x: float) -> float:
        """Return the line at x."""
        return self.intercept + self.slope * x


def fit_line(x: Values, y: Values, confidence: float = 0.95) -> LineFit:
    """Return the least-squares line with Student intervals, which hold for errors that are alike at every x.

    Raises:
        TooFewSamplesError: If there are fewer than 3 observations.
        UnusableSamplesError: If x and y differ in number, or all x are equal.

    Source: Draper & Smith, Applied Regression Analysis (1998), sections 1.4 and 5.2.
    """
    import numpy as np
    from scipy import stats

    check_share("confidence", confidence)
    xs, ys = as_array(x, what="a line", least=3), as_array(y, what="a line", least=3)
    n = len(xs)
    if len(ys) != n:
        raise UnusableSamplesError(f"{n} places and {len(ys)} observations do not make pairs")
    middle = float(xs.mean())
    spread = float(((xs - middle) ** 2).sum())
    if spread == 0:
        raise UnusableSamplesError("all observations are at one place; a line needs at least two")
    slope = float(((xs - middle) * (ys - ys.mean())).sum()) / spread
    intercept = float(ys.mean()) - slope * middle
    left = float(((ys - intercept - slope * xs) ** 2).sum())
    total = float(((ys - ys.mean()) ** 2).sum())
    explained = 1 - left / total if total > 0 else 1.0
    variance = left / (n - 2)
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 2))
    slope_error = reach * np.sqrt(variance / spread)
    intercept_error = reach * np.sqrt(variance * (1 / n + middle**2 / spread))
    return LineFit(
        intercept=intercept,
        slope=slope,
        intercept_interval=Interval(
            float(intercept - intercept_error), float(intercept + intercept_error), coverage=confidence, n=n
        ),
        slope_interval=Interval(float(slope - slope_error), float(slope + slope_error), coverage=confidence, n=n),
        r_squared=explained,
        adjusted_r_squared=1 - (1 - explained) * (n - 1) / (n - 2),
        n=n,
    )
