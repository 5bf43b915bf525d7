"""Whether a law of eviction fits: a parametric bootstrap of its distance to the survival curve.

The distance is twice the log-likelihood ratio between the curve, which assumes no more than that fewer live longer, and
the law with its best parameter. How large it is by chance under that law is found by simulation: no table knows it,
because the curve has no fixed number of parameters and rules have jumps. The same is done with the shares of each idle
time as they are: trials may vary more than any falling curve does. The smaller p of the two counts, twice (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sebsx_eviction.models import EXPONENTIAL, FIXED, NONE, breaks_of, levels_of, survivors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx_eviction.models import ModelFit
    from sebsx_eviction.trials import Trial

    Numbers = NDArray[np.float64]

REFUTED = 0.05
"""A law whose data lie farther from it than this share of what it makes itself does not fit."""
_SIMULATED = 399
_SEED = 1955  # the same trials get the same answer
# Lapse rates that are tried, as in the models; and how far around its estimate the mean of the exponential model is.
_LAPSES = (1e-6, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05)
_LAPSES_AT_RANDOM = _LAPSES[:3]  # of the exponential model, of which more would be a tail of its own
_AROUND, _MEANS = 2.0, 241
# Where the time of a rule is an idle time of the design, so many of its sandboxes are looked at before it.
_SIDES = tuple(place / 40 for place in range(1, 40))
# Parameters that the trials refute by so much log-likelihood are not the best of trials made by the best one either.
_FAR = 20.0


@dataclass(frozen=True)
class _Looks:
    """Sandboxes looked at, by idle time and number in the trial.

    Args:
        level: Which idle time, ascending.
        idle_s: It.
        d_init: Sandboxes in each trial.
        n: Sandboxes looked at.
        warm: How many were there.
    """

    level: NDArray[np.int64]
    idle_s: Numbers
    d_init: NDArray[np.int64]
    n: Numbers
    warm: Numbers

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> _Looks:
        """Return those of the trials that count."""
        import numpy as np

        rows: dict[tuple[int, int], list[float]] = {}
        for place, level in enumerate(levels_of(trials)):
            idle_s = sum(trial.mean_idle_s for trial in level) / len(level)
            for trial in level:
                row = rows.setdefault((place, len(trial.alive)), [idle_s, 0.0, 0.0])
                row[1] += len(trial.alive)
                row[2] += trial.warm
        keys, values = np.array(list(rows)), np.array(list(rows.values()))
        return cls(level=keys[:, 0], d_init=keys[:, 1], idle_s=values[:, 0], n=values[:, 1], warm=values[:, 2])

    def by_level(self, values: Numbers) -> Numbers:
        """Return the sums over each level of numbers whose last axis is that of the looks."""
        import numpy as np

        member = np.zeros((len(self.level), int(self.level.max()) + 1))
        member[np.arange(len(self.level)), self.level] = 1.0
        found: Numbers = values @ member
        return found


@dataclass(frozen=True)
class _Law:
    """What a law says of each look.

    Args:
        told: Share that lives.
        n: Sandboxes looked at.
        warm: How many were there.
        kept: Sandboxes that a rule lets live.
        by_rule: Whether it is a rule, which says how many live; else a rate, which says how likely each does, or a rule
            whose time is that of the level.
    """

    told: Numbers
    n: NDArray[np.int64]
    warm: NDArray[np.int64]
    kept: NDArray[np.int64]
    by_rule: NDArray[np.bool_]

    @classmethod
    def of(cls, told: Numbers, looks: _Looks) -> _Law:
        """Return a law by the share that it lets live in each look."""
        import numpy as np

        exact = np.floor(told * looks.n + 1e-9).astype(int)
        by_rule = np.isclose(told * looks.n, exact)
        kept = np.where(by_rule, exact, 0)
        return cls(told=told, n=looks.n.astype(int), warm=looks.warm.astype(int), kept=kept, by_rule=by_rule)

    def likelihood(self, lapse: float) -> float:
        """Return the log-likelihood of a lapse rate: some that a rule lets live are gone, some others are there.

        Taken as shares, as the distances take them, a lapse of a rule that lets half live would cost next to nothing.
        """
        import numpy as np

        found = 0.0
        for told, n, warm, kept, by_rule in zip(self.told, self.n, self.warm, self.kept, self.by_rule, strict=True):
            if by_rule:
                chances = np.convolve(_chances(kept, 1 - lapse), _chances(n - kept, lapse))
            else:
                chances = _chances(n, lapse + (1 - 2 * lapse) * told)
            found += float(np.log(chances[warm] + 1e-300))
        return found

    def simulated(self, rng: np.random.Generator, lapse: float) -> Numbers:
        """Return how many are there in trials that follow the law."""
        import numpy as np

        size = (_SIMULATED, len(self.n))
        made: NDArray[np.int64] = rng.binomial(self.kept, 1 - lapse, size) + rng.binomial(
            np.where(self.by_rule, self.n - self.kept, 0), lapse, size
        )
        chance = np.clip(lapse + (1 - 2 * lapse) * self.told, 0, 1)
        random = rng.binomial(np.where(self.by_rule, 0, self.n), chance, size)
        found: Numbers = (made + random).astype(np.float64)
        return found


def _chances(n: int, chance: float) -> Numbers:
    """Return how likely each number of successes in `n` is."""
    import numpy as np
    from scipy.special import comb

    numbers = np.arange(n + 1)
    found: Numbers = comb(n, numbers) * chance**numbers * (1 - chance) ** (n - numbers)
    return found


def p_value(fit: ModelFit, trials: Sequence[Trial]) -> float:
    """Return how often trials that follow a law lie as far from it as these do; small where it does not fit.

    Args:
        fit: The law, fitted to the trials.
        trials: Those of one condition; at least one counts.
    """
    import numpy as np

    looks = _Looks.of(trials)
    told = np.array(list(_told(fit, looks, trials)))  # a row for each parameter tried
    tried = _LAPSES_AT_RANDOM if fit.model == EXPONENTIAL else _LAPSES
    lapses = np.array(tried)[:, None, None]
    chances = (lapses + (1 - 2 * lapses) * told).reshape(-1, len(looks.n))
    chances = np.clip(chances, 1e-9, 1 - 1e-9)
    likelihood = _likelihood(chances, looks, looks.warm[None, :])[0]
    best = int(likelihood.argmax())
    law = _Law.of(told[best % len(told)], looks)
    made = law.simulated(np.random.default_rng(_SEED), max(tried, key=law.likelihood))
    near = chances[likelihood >= likelihood[best] - _FAR]
    both = _distances(near, looks, np.vstack([looks.warm, made]))
    as_far = min(int((each[1:] >= each[0] - 1e-9).sum()) for each in both)
    return min(1.0, 2 * (1 + as_far) / (1 + _SIMULATED))


def _told(fit: ModelFit, looks: _Looks, trials: Sequence[Trial]) -> Iterator[Numbers]:
    """Yield the share that a law lets live in each look, by one parameter after the other."""
    import numpy as np

    if fit.model == NONE or fit.parameter_s is None:
        yield np.ones(len(looks.n))
        return
    if fit.model == EXPONENTIAL:
        for mean_s in np.geomspace(fit.parameter_s / _AROUND, fit.parameter_s * _AROUND, _MEANS):
            yield np.exp(-looks.idle_s / mean_s)
        return
    levels = [looks.idle_s[looks.level == place][0] for place in range(int(looks.level.max()) + 1)]
    if fit.model == FIXED:
        breaks = levels
    else:
        most = max(len(trial.alive) for trial in trials if trial.counts)
        breaks = sorted({each for level in levels for each in breaks_of(fit.model, level, most)})
    pieces = [breaks[0] / 2, *((a + b) / 2 for a, b in pairwise(breaks)), 2 * breaks[-1]]
    shares = [
        np.array(
            [survivors(fit.model, piece, at_s, int(d)) / d for at_s, d in zip(looks.idle_s, looks.d_init, strict=True)]
        )
        for piece in pieces
    ]
    yield from shares
    for before, after in pairwise(shares):
        for side in _SIDES:
            yield (1 - side) * before + side * after


def _likelihood(chances: Numbers, looks: _Looks, warm: Numbers) -> Numbers:
    """Return the log-likelihood of each row of `warm` (rows) by each of the chances (columns)."""
    import numpy as np

    found: Numbers = warm @ np.log(chances).T + (looks.n - warm) @ np.log1p(-chances).T
    return found


def _distances(chances: Numbers, looks: _Looks, warm: Numbers) -> tuple[Numbers, Numbers]:
    """Return how far curve and shares are above the best of the chances, for each row of `warm`."""
    import numpy as np
    from scipy.optimize import isotonic_regression

    best, n, seen = _likelihood(chances, looks, warm).max(axis=1), looks.by_level(looks.n), looks.by_level(warm)
    curves = np.array([isotonic_regression(row / n, weights=n, increasing=False).x for row in seen])
    return 2 * (_of_shares(curves, n, seen) - best), 2 * (_of_shares(seen / n, n, seen) - best)


def _of_shares(shares: Numbers, n: Numbers, warm: Numbers) -> Numbers:
    """Return the log-likelihood of a share for each idle time."""
    from scipy.special import xlogy

    shares = shares.clip(0, 1)
    found: Numbers = (xlogy(warm, shares) + xlogy(n - warm, 1 - shares)).sum(axis=-1)
    return found
