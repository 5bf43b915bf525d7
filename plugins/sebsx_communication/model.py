"""The alpha-beta model of a channel: `latency = alpha + size / beta`, fitted with intervals, and what follows from it.

Everything is computed for many resamples at once: row 0 is what was measured, the others are bootstrap resamples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.blocks import in_sandboxes
from sebsx.stats import LEAST_BLOCKS
from sebsx.stats.student import quantile_of_t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.reading.blocks import Observations

    Numbers: TypeAlias = NDArray[np.float64]

RESAMPLES = 2000
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
        """Return the line fitted to what was measured at the other sizes; itself where too few would be left."""
        kept = self.sizes != size
        return fitted(self.sizes[kept], self.medians[:1, kept]) if kept.sum() >= 2 else self


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


def resampled_medians(sizes: Sequence[Observations], rng: np.random.Generator) -> Numbers:
    """Return the median of each size over blocks of their medians, then those of bootstrap resamples of the blocks.

    Exchanges of a block have their sandboxes in common: a resample draws blocks, each with all its sizes.

    Args:
        sizes: What was observed at each size.
        rng: Source of the draws.

    Returns:
        Resample by size. A block that has nothing at a size says nothing there; where there are fewer than six
        blocks, all resamples are alike, and nothing has an interval.

    Source: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    import numpy as np

    blocks = np.unique(np.concatenate([each.blocks for each in sizes]))
    known = np.full((len(blocks), len(sizes)), np.nan)
    for place, each in enumerate(sizes):
        known[np.searchsorted(blocks, np.unique(each.blocks)), place] = each.medians
    middle = np.nanmedian(known, axis=0)
    if len(blocks) < LEAST_BLOCKS:
        return np.tile(middle, (RESAMPLES + 1, 1))
    drawn = known[rng.integers(len(blocks), size=(RESAMPLES, len(blocks)))]
    empty = np.isnan(drawn).all(axis=1)
    drawn[:, 0][empty] = np.broadcast_to(middle, empty.shape)[empty]
    return np.concatenate([middle[None], np.nanmedian(drawn, axis=1)])


def interval(values: Numbers, confidence: float, n: int, blocks: int, note: str = "") -> Estimate:
    """Return the first value with the percentile interval of the others; infinite ends are left out.

    The percentiles lie as much farther out as so few blocks need: resamples of them vary too little, by the root of
    (blocks - 1) / blocks, and their spread is uncertain itself, for which Student's distribution stands.

    Args:
        values: By resample, the estimate first.
        confidence: Coverage wanted.
        n: Round trips behind them.
        blocks: How many blocks were drawn from.
        note: Stands beside the value.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 5.3, expanded percentile interval.
    """
    import numpy as np

    value, others = float(values[0]), values[1:]
    found = Estimate(value, confidence=confidence, n=n, blocks=blocks, note=note)
    if not np.isfinite(value):
        return replace(found, value=None, note=note or "not seen: messages too small")
    if blocks < LEAST_BLOCKS:
        return replace(found, note=in_sandboxes(blocks))
    if (others == others[0]).all():
        return replace(found, note=note or "n too small")
    reach = quantile_of_t((1 + confidence) / 2, blocks - 1) * (blocks / (blocks - 1)) ** 0.5
    tail = NormalDist().cdf(-reach)
    low, high = (float(end) for end in np.quantile(others, (tail, 1 - tail), method="inverted_cdf"))
    if not np.isfinite(high):
        return replace(found, note=note or "no upper bound")
    return replace(found, low=low, high=high)


def bandwidth(line: Line) -> Numbers:
    """Return beta by resample: bytes a second, infinite where a byte more takes no time."""
    import numpy as np

    with np.errstate(divide="ignore"):
        return np.where(line.s_per_byte > 0, 1 / line.s_per_byte, np.inf)


def crossover(small: Line, large: Line, confidence: float, n: int, blocks: int) -> Estimate | None:
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
    return interval(sizes, confidence, n, blocks, note)


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
