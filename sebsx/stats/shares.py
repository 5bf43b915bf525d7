"""Shares of two sides against each other, where what was counted may have come in blocks that fail together.

Calls of a sandbox that is broken fail one after the other: five failures of one sandbox say hardly more of a version
than one. Counts are therefore divided by the design effect, the variance of a share among blocks against that of
independent calls, before they are tested.

Source: Rao & Scott, A Simple Method for the Analysis of Clustered Binary Data (1992), section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from sebsx.stats.samples import UnusableSamplesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of a number there are.

    Args:
        count: How many.
        n: Of how many.
    """

    count: float
    n: float

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.count / self.n

    def worth(self, effect: float) -> Share:
        """Return the counts of as many independent calls as these are worth, at the same share."""
        return Share(count=self.count / effect, n=self.n / effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDifference:
    """The difference of two shares, new less base.

    Args:
        value: The difference.
        low: Lower end of its interval.
        high: Upper end.
        p: Of Fisher's exact test, two-sided.
    """

    value: float
    low: float
    high: float
    p: float


def design_effect(sides: Sequence[tuple[NDArray[np.bool_], NDArray[np.int32]]]) -> float:
    """Return by how much blocks enlarge the variance of shares, pooled over the sides; at least 1.

    Args:
        sides: Of each side whether each call is counted, and the block of each. A side of a single block, or in which
            all calls are alike, tells nothing.

    Returns:
        1 where calls are independent or nothing can be told; about the size of a block where blocks fail as a whole.
    """
    import numpy as np

    seen = expected = 0.0
    for hits, blocks in sides:
        if len(hits) != len(blocks):
            raise UnusableSamplesError(f"{len(hits)} observations and {len(blocks)} blocks do not match")
        _, places = np.unique(blocks, return_inverse=True)
        sizes = np.bincount(places)
        share = float(hits.mean()) if len(hits) else 0.0
        if len(sizes) < 2 or share in (0.0, 1.0):
            continue
        residuals = np.bincount(places, hits) - sizes * share
        seen += len(sizes) / (len(sizes) - 1) * float((residuals**2).sum())
        expected += len(hits) / (len(hits) - 1) * len(hits) * share * (1 - share)
    return max(1.0, seen / expected) if expected else 1.0


def share_difference(base: Share, new: Share, confidence: float = 0.95) -> ShareDifference:
    """Return the difference of two shares, its interval and the p value of Fisher's exact test.

    Counts that are not whole are rounded for the test, which is of whole ones.

    Args:
        base: Of more than none.
        new: As base.
        confidence: Coverage of the interval.

    Source: Newcombe, Interval Estimation for the Difference between Independent Proportions (1998), method 10.
    """
    from scipy.stats import fisher_exact

    low, high = _wilson(base, confidence)
    low_new, high_new = _wilson(new, confidence)
    difference = new.value - base.value
    below = math.hypot(new.value - low_new, high - base.value)
    above = math.hypot(high_new - new.value, base.value - low)
    table = [[round(side.count), round(side.n - side.count)] for side in (base, new)]
    return ShareDifference(
        value=difference, low=difference - below, high=difference + above, p=float(fisher_exact(table).pvalue)
    )


def _wilson(share: Share, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    n, value = share.n, share.value
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
