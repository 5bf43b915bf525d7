"""What every estimator takes and gives: finite observations in, intervals out, and what it refuses."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float64]

Values: TypeAlias = "Sequence[float] | NDArray[Any]"


class SamplesError(UserError):
    """What was asked cannot be said of these observations."""


class TooFewSamplesError(SamplesError):
    """What was asked cannot be said of so few observations; `needed` says how many it takes."""

    def __init__(self, what: str, n: int, needed: int) -> None:
        self.needed = needed
        super().__init__(f"{what} needs at least {needed} samples and there are {n}; take more with --repetitions")


class UnusableSamplesError(SamplesError):
    """Some observations are not numbers, not finite, or not positive where a ratio or a rate needs it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval in the unit of the observations.

    Args:
        low: Lower end.
        high: Upper end.
        coverage: Confidence; exact and at least the one asked for where the ends are order statistics, because ranks
            are whole numbers.
        n: Number of observations.
    """

    low: float
    high: float
    _: KW_ONLY
    coverage: float
    n: int


def as_array(
    values: Values, *, what: str = "", least: int = 0, positive: bool = False, late: bool = False
) -> FloatArray:
    """Return the observations as a one-dimensional array of floats, which may be the array given.

    Args:
        values: Observations; never changed.
        what: What they are needed for, as the error names it.
        least: How many are needed.
        positive: Whether each must be above 0.
        late: Whether one may be infinite: what was never answered, later than all that was.

    Raises:
        UnusableSamplesError: If one is not a number, NaN or (unless late) infinite, or not positive where it must be.
        TooFewSamplesError: If there are fewer than `least`.
    """
    import numpy as np

    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as exc:
        raise UnusableSamplesError(f"samples are not all numbers: {exc}") from exc
    if array.ndim != 1:
        raise UnusableSamplesError(f"samples form {array.ndim} dimensions where a plain list is needed")
    _all_must(np.isfinite(array) | (late & np.isposinf(array)), array, "not a finite number")
    if positive:
        _all_must(array > 0, array, "not above 0, which a ratio or a rate needs")
    if len(array) < least:
        raise TooFewSamplesError(what, len(array), least)
    return array


def _all_must(good: NDArray[np.bool_], array: FloatArray, what: str) -> None:
    if good.all():
        return
    bad = int(len(array) - good.sum())
    example = float(array[int(good.argmin())])
    raise UnusableSamplesError(f"{bad} of {len(array)} samples: {what}, such as {example!r}; leave them out")


def check_share(name: str, value: float) -> None:
    """Refuse what does not lie between 0 and 1, both excluded.

    Raises:
        UserError: If so.
    """
    if not 0 < value < 1:
        raise UserError(f"{name} {value!r} must lie between 0 and 1")


def thinned(array: FloatArray, points: int) -> FloatArray:
    """Return the observations in ascending order, at most `points` of them: evenly spaced order statistics."""
    import numpy as np

    ordered = np.sort(array)
    n = len(ordered)
    return ordered if n <= points else ordered[((np.arange(points) + 0.5) * n / points).astype(int)]
