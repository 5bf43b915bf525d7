"""The alpha-beta model of a channel: `latency = alpha + size / beta`, fitted with intervals, and what follows from it.

Everything is computed for many resamples at once: row 0 is what was measured, the others are bootstrap resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from sebsx.contracts.analyzers import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float64]

RESAMPLES = 500
# Resampling needs something to draw from: below, there are no intervals.
_LEAST_SAMPLES = 5
# Huber's constant: 95 % efficiency for errors of a normal distribution. Residuals are shares of the latency; the scale
# is never taken below a percent, so that sizes that fit nearly exactly do not outweigh the others.
_HUBER = 1.345
_LEAST_SCALE = 0.01
_ROUNDS = 20


@dataclass(frozen=True)
class Line:
    """A fitted channel.

    Args:
        sizes: Sizes of message that were measured, ascending.
        medians: Median latency, resample by size.
        alpha_s: Time of an empty message by resample.
        s_per_byte: Time of a byte more, by resample.
    """

    sizes: Numbers
    medians: Numbers
    alpha_s: Numbers
    s_per_byte: Numbers

    def latency_s(self, size: float) -> Numbers:
        """Return the latency of a size by resample."""
        return self.alpha_s + self.s_per_byte * size

    @cached_property
    def deviation(self) -> Numbers:
        """Measured over modelled latency, less 1, by size."""
        off: Numbers = self.medians[0] / (self.alpha_s[0] + self.s_per_byte[0] * self.sizes) - 1
        return off

    def without(self, size: float) -> Line:
        """Return the line fitted to the other sizes; itself where too few would be left."""
        kept = self.sizes != size
        return fitted(self.sizes[kept], self.medians[:, kept]) if kept.sum() >= 2 else self


def fitted(sizes: Numbers, medians: Numbers) -> Line:
    """Fit each row of medians by least squares of relative residuals, with Huber's weights; neither part below 0.

    Relative, because latencies span orders of magnitude and their spread grows with them: each size counts the same.

    Args:
        sizes: At least two different ones.
        medians: Median latencies in s, resample by size, above 0.

    Source: alpha-beta model as in Hockney, The Communication Challenge for MPP (1994), and FMI (Copik et al., ICS'23);
    weights: Huber, Robust Estimation of a Location Parameter (1964), by iterated reweighting.
    """
    import numpy as np

    ones, slopes = 1 / medians, sizes / medians
    weights = np.ones_like(medians)
    for _ in range(_ROUNDS):
        alpha, beta = _solved(ones, slopes, weights)
        residuals = np.abs(alpha[:, None] * ones + beta[:, None] * slopes - 1)
        scale = np.maximum(1.4826 * np.median(residuals, axis=1), _LEAST_SCALE)[:, None]
        weights = np.minimum(1.0, _HUBER * scale / np.maximum(residuals, 1e-12))
    return Line(sizes, medians, alpha, beta)


def _solved(ones: Numbers, slopes: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Return the weighted solution of `alpha * ones + beta * slopes = 1` of each row, both at least 0."""
    import numpy as np

    aa, ab, bb = (weights * ones**2).sum(1), (weights * ones * slopes).sum(1), (weights * slopes**2).sum(1)
    a, b = (weights * ones).sum(1), (weights * slopes).sum(1)
    determinant = aa * bb - ab**2
    alpha, beta = (a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant
    low_alpha, low_beta = alpha < 0, beta < 0
    return (
        np.where(low_alpha, 0.0, np.where(low_beta, a / aa, alpha)),
        np.where(low_beta, 0.0, np.where(low_alpha, b / bb, beta)),
    )


def resampled_medians(groups: Sequence[Sequence[float]], rng: np.random.Generator) -> Numbers:
    """Return the median of all samples, then those of bootstrap resamples.

    Args:
        groups: Samples of each exchange. Where there are several, exchanges are drawn first and then samples of each:
            those of one exchange have their sandboxes in common.
        rng: Source of the draws.

    Source: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    import numpy as np

    kept = [np.asarray(group, dtype=float) for group in groups if len(group)]
    values = np.concatenate(kept)
    middle = float(np.median(values))
    if len(values) < _LEAST_SAMPLES:
        return np.full(RESAMPLES + 1, middle)
    lengths = np.array([len(group) for group in kept])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    chosen = rng.integers(len(kept), size=(RESAMPLES, len(kept)))
    per_group = -(-len(values) // len(kept))
    drawn = np.repeat(chosen, per_group, axis=1)
    places = starts[drawn] + np.floor(rng.random(drawn.shape) * lengths[drawn]).astype(int)
    return np.concatenate([[middle], np.median(values[places], axis=1)])


def interval(values: Numbers, confidence: float, n: int, note: str = "") -> Estimate:
    """Return the first value with the percentile interval of the others; infinite ends are left out."""
    import numpy as np

    value, others = float(values[0]), values[1:]
    if not np.isfinite(value):
        return Estimate(None, confidence=confidence, n=n, note=note or "not seen: messages too small")
    if not len(others) or (others == others[0]).all():
        return Estimate(value, confidence=confidence, n=n, note=note or "n too small")
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(others, (tail, 1 - tail), method="inverted_cdf"))
    if not np.isfinite(high):
        return Estimate(value, confidence=confidence, n=n, note=note or "no upper bound")
    return Estimate(value, low=low, high=high, confidence=confidence, n=n, note=note)


def bandwidth(line: Line) -> Numbers:
    """Return beta by resample: bytes a second, infinite where a byte more takes no time."""
    import numpy as np

    with np.errstate(divide="ignore"):
        return np.where(line.s_per_byte > 0, 1 / line.s_per_byte, np.inf)


def crossover(small: Line, large: Line, confidence: float, n: int) -> Estimate | None:
    """Return the size from which `large` is faster than `small`; None where it never is, or always.

    Resamples in which they do not cross are left out of the interval, and their share is told.
    """
    import numpy as np

    ahead, slower = large.alpha_s - small.alpha_s, small.s_per_byte - large.s_per_byte
    if ahead[0] <= 0 or slower[0] <= 0:
        return None
    crossing = (ahead > 0) & (slower > 0)
    sizes = ahead[crossing] / slower[crossing]
    share = float(np.mean(crossing[1:]))
    note = "" if share >= confidence else f"in {100 * share:.0f} % of resamples"
    return interval(sizes, confidence, n, note)


@dataclass(frozen=True, slots=True)
class Segment:
    """A channel that is the fastest by the model between two sizes."""

    channel: str
    low: float
    high: float


def fastest(lines: Mapping[str, Line], least: float, most: float) -> list[Segment]:
    """Return which channel the model would choose from one size to another; a channel ends at its largest message."""
    import numpy as np

    if least == most:
        return [Segment(_best(lines, least), least, most)]
    found: list[Segment] = []
    points = [float(point) for point in np.geomspace(least, most, 400)]
    for point in (*points[:-1], most):
        name = _best(lines, point)
        if found and found[-1].channel == name:
            found[-1] = Segment(name, found[-1].low, point)
        else:
            found.append(Segment(name, point, point))
    return found


def _best(lines: Mapping[str, Line], size: float) -> str:
    able = {name: line for name, line in lines.items() if size <= line.sizes[-1] * (1 + 1e-9)}
    return min(able, key=lambda name: float(able[name].latency_s(size)[0]))
