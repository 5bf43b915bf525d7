"""Two means against each other, which are what counts where values add up, as costs do.

The test rearranges what was observed: where nothing changed, which observation is of which side is chance, whatever the
distribution is. So its level is exact for costs of which one in ten is a cold start's, from ten observations on, where
Student's t is wrong in every fifth case. The interval holds the ratios (or differences) that the test does not reject.

Source: Pitman, Significance Tests Which May Be Applied to Samples from Any Populations (1937); Phipson & Smyth,
Permutation P-values Should Never Be Zero (2010); Garthwaite, Confidence Intervals from Randomization Tests (1996).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sebsx.stats.compare import Comparison, needed_units
from sebsx.stats.quantiles import median
from sebsx.stats.samples import UnusableSamplesError, as_array, check_share
from sebsx.stats.twosample import cliffs_delta

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.stats.samples import FloatArray, Values

LEAST_FOR_MEANS = 10
_ARRANGEMENTS = 4999  # drawn, where there are more
_ALL_PAIRS = 12  # so many pairs have 4096 arrangements, which are all taken
_DRAWN_TO = 400  # observations in all; more are told apart by their variance as well
_ROUNDING = 1e-9
_WIDEST = math.log(1e6)
_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class _Arrangements:
    """Differences of the two means under each arrangement, apart for what the base, the new and the shift add to it.

    Where the new side is divided by a ratio and a shift is taken off it, the difference of the means is
    `base + scale * new - shift * ones`: linear, so that one set of arrangements serves every ratio and every shift.
    """

    base: FloatArray
    new: FloatArray
    ones: FloatArray
    means: tuple[float, float]
    drawn: bool

    def p(self, scale: float = 1.0, shift: float = 0.0) -> float:
        """Return the share of arrangements whose means are as far apart as those observed, both directions counted."""
        import numpy as np

        before, after = self.means
        mine = abs(scale * after - before - shift)
        least = mine - _ROUNDING * (abs(before) + abs(scale * after))
        hits = int(np.count_nonzero(np.abs(self.base + scale * self.new - shift * self.ones) >= least))
        return (hits + self.drawn) / (len(self.base) + self.drawn)


def compare_means(
    base: Values, new: Values, *, pairs: bool, confidence: float = 0.95, threshold: float = 0.05
) -> Comparison:
    """Return what is known of the change of a mean.

    Args:
        base: At least 10 finite observations. Where a mean is not above 0 there is no ratio, and the difference of the
            means decides.
        new: As many.
        pairs: Whether the i-th observations of both belong together: only sides within a pair are then exchanged.
        confidence: Coverage of the intervals.
        threshold: Smallest change that matters, as a share; only `needed` depends on it.

    Returns:
        Up to 400 observations in all, test and intervals of the arrangements: exact where the sides differ by that
        ratio (or shift) and else not in shape. Above, by the normal approximation of the same.

    Raises:
        TooFewSamplesError: If there are fewer.
        UnusableSamplesError: If one is not finite, or pairs do not match in number.
    """
    check_share("confidence", confidence)
    old = as_array(base, what="a ratio of means", least=LEAST_FOR_MEANS)
    young = as_array(new, what="a ratio of means", least=LEAST_FOR_MEANS)
    if pairs and len(old) != len(young):
        raise UnusableSamplesError(f"{len(young)} and {len(old)} samples do not form pairs")
    before, after = float(old.mean()), float(young.mean())
    p = _tester(old, young, pairs=pairs)
    alpha = 1 - confidence
    shift, step = after - before, _step(old, young)
    high = shift + _reach(lambda far: p(1.0, shift + far), alpha, step, math.inf)
    low = shift - _reach(lambda far: p(1.0, shift - far), alpha, step, math.inf)
    n, ratio, ends, needed = min(len(old), len(young)), math.nan, (math.nan, math.nan), None
    if before > 0 < after:
        ratio = after / before
        up = _reach(lambda far: p(math.exp(-far) / ratio, 0.0), alpha, step / min(before, after), _WIDEST)
        down = _reach(lambda far: p(math.exp(far) / ratio, 0.0), alpha, step / min(before, after), _WIDEST)
        ends = (ratio * math.exp(-down), ratio * math.exp(up))
        needed = needed_units(n, max(up, down), threshold, confidence)
    return Comparison(
        ratio=ratio, low=ends[0], high=ends[1], confidence=confidence, p=p(1.0, 0.0), cliff=cliffs_delta(young, old),
        shift=shift, shift_low=low, shift_high=high, base_median=median(old), new_median=median(young),
        n_base=len(old), n_new=len(young), method="paired" if pairs else "unpaired",
        needed=needed and max(LEAST_FOR_MEANS, needed),
    )  # fmt: skip


def _tester(old: FloatArray, young: FloatArray, *, pairs: bool) -> Callable[[float, float], float]:
    """Return the p value of a ratio (as the scale of the new side) and a shift."""
    if len(old) + len(young) > _DRAWN_TO:
        return _by_variance(old, young, pairs=pairs)
    found = _of_pairs(old, young) if pairs else _of_sides(old, young)
    return found.p


def _of_pairs(old: FloatArray, young: FloatArray) -> _Arrangements:
    """Return what exchanging the sides within pairs gives: all ways to do it, or some drawn by a fixed seed."""
    import numpy as np

    order = np.lexsort((young, old))  # the order of the pairs says nothing
    old, young = old[order], young[order]
    n = len(old)
    if n <= _ALL_PAIRS:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(_ARRANGEMENTS, n))
    return _Arrangements(
        base=-signs @ old / n, new=signs @ young / n, ones=signs.mean(axis=1),
        means=(float(old.mean()), float(young.mean())), drawn=n > _ALL_PAIRS,
    )  # fmt: skip


def _of_sides(old: FloatArray, young: FloatArray) -> _Arrangements:
    """Return what handing all observations out again to both sides gives, drawn by a fixed seed."""
    import numpy as np

    old, young = np.sort(old), np.sort(young)
    weights = _drawn(len(old), len(young))
    ours, theirs = weights[:, : len(old)], weights[:, len(old) :]
    return _Arrangements(
        base=ours @ old, new=theirs @ young, ones=theirs.sum(axis=1),
        means=(float(old.mean()), float(young.mean())), drawn=True,
    )  # fmt: skip


@lru_cache(maxsize=4)  # the rows of a comparison are of one design, and mostly as long
def _drawn(n_base: int, n_new: int) -> FloatArray:
    """Return how much each observation adds to the difference of the means, arrangement by arrangement."""
    import numpy as np

    weights = np.repeat([-1 / n_base, 1 / n_new], [n_base, n_new])
    arranged: FloatArray = np.random.default_rng(0).permuted(
        np.broadcast_to(weights, (_ARRANGEMENTS, len(weights))), axis=1
    )
    return arranged


def _by_variance(old: FloatArray, young: FloatArray, *, pairs: bool) -> Callable[[float, float], float]:
    """Return the p value as the variance of the arrangements gives it, which are too many observations to hand out."""
    import numpy as np
    from scipy.special import ndtr

    n_base, n_new = len(old), len(young)

    def p(scale: float, shift: float) -> float:
        other = scale * young - shift
        difference = abs(float(other.mean() - old.mean()))
        if pairs:
            variance = float(((other - old) ** 2).mean()) / n_base
        else:
            variance = float(np.concatenate([old, other]).var(ddof=1)) * (1 / n_base + 1 / n_new)
        if difference <= _ROUNDING * (abs(float(old.mean())) + abs(float(other.mean()))):
            return 1.0
        return float(2 * ndtr(-difference / math.sqrt(variance))) if variance else 0.0

    return p


def _step(old: FloatArray, young: FloatArray) -> float:
    """Return about how far the means of such samples are from the truth."""
    sizes = (float(side.std()) / math.sqrt(len(side)) for side in (old, young))
    return max(*sizes, _ROUNDING * (abs(float(old.mean())) + abs(float(young.mean()))), math.ulp(1e-300))


def _reach(p: Callable[[float], float], alpha: float, step: float, most: float) -> float:
    """Return how far from the estimate the test begins to reject, at most `most`."""
    inside, outside = 0.0, step
    while p(outside) > alpha:
        inside, outside = outside, 2 * outside
        if outside > most or not math.isfinite(outside):
            return most
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if outside - middle <= 1e-12 * outside:
            break
        inside, outside = (middle, outside) if p(middle) > alpha else (inside, middle)
    return inside
