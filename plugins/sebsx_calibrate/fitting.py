"""Run time as a straight line in the work, and the run times that a calibration is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.reading.units import parse_durations

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Fit:
    """Run time as a straight line in the work: `duration_s = base_s + unit_s * work`.

    Args:
        base_s: Time that no work takes.
        unit_s: Time of one unit of work; positive.
        r2: Share of the variance of the durations that the line explains.
    """

    base_s: float
    unit_s: float
    r2: float

    def duration_s(self, work: float) -> float:
        """Return the time that so much work takes."""
        return self.base_s + self.unit_s * work

    def work(self, duration_s: float) -> float:
        """Return the work that takes so long; negative below the time that no work takes."""
        return (duration_s - self.base_s) / self.unit_s


def fit_line(points: Sequence[tuple[float, float]]) -> Fit:
    """Return the line through (work, duration in s) by least squares of the relative errors.

    Relative, because both ends of a ladder that spans two orders of magnitude matter alike.

    Raises:
        UserError: If there are not two different amounts of work, or more work does not take longer.
    """
    weights = [1 / duration**2 for _, duration in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    if spread == 0:
        raise UserError("the work cannot be varied: two different amounts are needed")
    unit_s = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True)) / spread
    if unit_s <= 0:
        raise UserError("more work does not take longer: the steps' parameter does not scale the run time here")
    base_s = mean_y - unit_s * mean_x
    middle = sum(y for _, y in points) / len(points)
    residual = sum((y - base_s - unit_s * x) ** 2 for x, y in points)
    variance = sum((y - middle) ** 2 for _, y in points)
    return Fit(base_s, unit_s, 1 - residual / variance if variance else 1.0)


def parse_run_times(text: str) -> tuple[float, float]:
    """Return the run times in seconds of the first and the last step from `4s..2m` or `4..120`.

    Raises:
        UserError: If it has another form, or does not grow.
    """
    if ".." not in text:
        raise UserError(f"--run-times {text!r}: write both ends, such as 4s..120s")
    try:
        low_s, high_s = parse_durations(text)
    except ValueError as exc:
        raise UserError(f"--run-times {exc}") from exc
    if not 0 < low_s < high_s:
        raise UserError(f"--run-times {text!r}: must grow from above 0")
    return low_s, high_s
