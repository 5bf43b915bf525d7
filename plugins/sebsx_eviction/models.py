"""How long an idle sandbox lives: four models fitted by likelihood, and what needs no model.

What is observed of a trial is which of its sandboxes outlived an idle time. Each is looked at once: it is known to have
died before that time or to live beyond it, never when (current-status data). A model gives the probability of that set.
Every one has a *lapse rate* beside its parameter, the probability that a sandbox is found otherwise than the rule says:
without it one odd sandbox would refute a deterministic rule for good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx_eviction.trials import Trial

    Numbers = NDArray[np.float64]

FIXED, HALVING, EXPONENTIAL, NONE = "fixed", "halving", "exponential", "none"

# Lapses are rare: a rule that is wrong of more than every twentieth sandbox is not the rule.
_LAPSES = (1e-6, 0.05, 41)
# Means of the exponential model that are tried: as far beyond the idle times, and so many at each of two passes.
_BEYOND = 30.0
# Idle times that differ by less are one level of the design: bursts are some milliseconds late.
SAME = 0.01
_MEANS = 240


@dataclass(frozen=True, slots=True)
class ModelFit:
    """A model fitted to trials.

    Args:
        model: `fixed` (every idle spell lasts as long), `halving` (half of the idle go every period), `exponential`
            (each goes at a constant rate) or `none` (nothing goes).
        parameter_s: Time to live, period or mean; None for `none`.
        low_s: Lower end of its interval by profile likelihood; None where nothing bounds it.
        high_s: Upper end; None where nothing bounds it.
        lapse: Share of sandboxes found otherwise than the rule says.
        log_likelihood: Largest.
        aic: Akaike's criterion; the less the better.
        r2: Share of the variance of survivors over idle times that it explains; None where they do not vary.
    """

    model: str
    parameter_s: float | None
    low_s: float | None
    high_s: float | None
    lapse: float
    log_likelihood: float
    aic: float
    r2: float | None


def survivors(model: str, parameter_s: float | None, idle_s: float, d_init: int) -> float:
    """Return how many of `d_init` sandboxes a model expects to outlive an idle time.

    Halving: D_init * 2^-floor(idle / P), whole sandboxes of it. Source: Copik et al., SeBS (Middleware 2021), 6.6.
    """
    if model == NONE or parameter_s is None:
        return float(d_init)
    if model == FIXED:
        return float(d_init if idle_s < parameter_s else 0)
    if model == HALVING:
        # 760 / 380 is 2, and must not become 1.999...: what rounding may have taken is given back.
        return float(d_init >> min(60, math.floor(idle_s / parameter_s + 1e-9)))
    return d_init * math.exp(-idle_s / parameter_s)


def fit_all(trials: Sequence[Trial], confidence: float = 0.95) -> list[ModelFit]:
    """Return the models fitted to the trials that count, best first; empty where there is no such trial.

    Of models equally good the simplest comes first: `none`, `fixed`, `halving`, `exponential`.
    """
    trials = [trial for trial in trials if trial.counts]
    if not trials:
        return []
    fits = [_none(trials), _stepwise(FIXED, trials, confidence), _stepwise(HALVING, trials, confidence)]
    fits.append(_exponential(trials, confidence))
    return sorted(fits, key=lambda fit: round(fit.aic, 6))


def survival_steps(trials: Sequence[Trial]) -> list[tuple[float, float]]:
    """Return the share of sandboxes that outlive each idle time seen, without a model: (time, share), falling.

    The nonparametric maximum-likelihood estimate of current-status data, the isotonic regression of "was there" on
    the idle time (pool adjacent violators). Kaplan and Meier's estimate needs to know when something died. Sandboxes
    of one trial, and of trials whose idle times cannot be distinguished, are one point: what stands in the order of the
    milliseconds in between is chance.

    Source: Ayer et al., An Empirical Distribution Function for Sampling with Incomplete Information (1955).
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    levels = list(levels_of(trials))
    if not levels:
        return []
    n = np.array([sum(len(trial.alive) for trial in level) for level in levels], dtype=np.float64)
    warm = np.array([sum(trial.warm for trial in level) for level in levels], dtype=np.float64)
    times = [fmean(idle_s for trial in level for idle_s in trial.idle_s) for level in levels]
    shares = isotonic_regression(warm / n, weights=n, increasing=False).x
    return [(at_s, float(share)) for at_s, share in zip(times, shares, strict=True)]


def levels_of(trials: Sequence[Trial]) -> Iterator[list[Trial]]:
    """Yield the trials that count by idle time, those together whose times cannot be distinguished."""
    level: list[Trial] = []
    for trial in sorted((trial for trial in trials if trial.counts), key=lambda trial: trial.mean_idle_s):
        if level:
            first = level[0]
            close_s = max(SAME * first.mean_idle_s, first.overhead_s, trial.overhead_s)
            if trial.mean_idle_s - first.mean_idle_s > close_s:
                yield level
                level = []
        level.append(trial)
    if level:
        yield level


def _none(trials: Sequence[Trial]) -> ModelFit:
    n, dead = sum(len(trial.alive) for trial in trials), sum(len(trial.alive) - trial.warm for trial in trials)
    row = _bernoulli(n - dead, dead)
    return _fit(NONE, trials, None, None, None, row, free=1)


def _stepwise(model: str, trials: Sequence[Trial], confidence: float) -> ModelFit:
    """Fit a rule of which the likelihood is constant between breakpoints: every piece is looked at.

    The best value is the middle of the best piece, and the interval reaches over all that are not refuted: between
    two idle times, one survived and one not, nothing tells values apart.
    """
    import numpy as np

    log_likelihood = _fixed if model == FIXED else _halving
    breaks = sorted(set(_breaks(model, trials)))
    # The first and the last piece have no other end: everything goes before the first idle time, or nothing ever.
    middles = [breaks[0] / 2, *((a + b) / 2 for a, b in pairwise(breaks)), 2 * breaks[-1]]
    rows = [log_likelihood(trials, middle) for middle in middles]
    profile = np.array([row.max() for row in rows])
    best = profile.max()
    inside = np.flatnonzero(profile >= best - _drop(confidence))
    at = np.flatnonzero(profile >= best - 1e-9)
    ends = [0.0, *breaks, math.inf]
    low, high = ends[inside[0]], ends[inside[-1] + 1]
    best_low, best_high = ends[at[0]], ends[at[-1] + 1]
    middle = 2 * best_low if best_high == math.inf else (best_low + best_high) / 2
    return _fit(model, trials, middle, low or None, high, rows[at[0]], free=2)


def _exponential(trials: Sequence[Trial], confidence: float) -> ModelFit:
    """Fit the mean of a constant rate: first over all orders of magnitude, then within the interval."""
    import numpy as np

    times = np.concatenate([trial.idle_s for trial in trials])
    alive = np.concatenate([trial.alive for trial in trials]).astype(bool)
    lapses = _lapses()

    def row_of(mean_s: float) -> Numbers:
        chance = np.exp(-times / mean_s)[:, None] * (1 - 2 * lapses) + lapses
        found: Numbers = np.log(np.where(alive[:, None], chance, 1 - chance)).sum(axis=0)
        return found

    def profile(means: Numbers) -> Numbers:
        return np.array([row_of(mean_s).max() for mean_s in means])

    drop = _drop(confidence)
    positive = times[times > 0]
    least, most = (positive.min(), positive.max()) if len(positive) else (1.0, 1.0)
    means = np.geomspace(least / _BEYOND, most * _BEYOND, _MEANS)
    values = profile(means)
    inside = np.flatnonzero(values >= values.max() - drop)
    first, last = max(0, inside[0] - 1), min(len(means) - 1, inside[-1] + 1)
    fine = np.geomspace(means[first], means[last], _MEANS)
    values = profile(fine)
    best = int(values.argmax())
    inside = np.flatnonzero(values >= values[best] - drop)
    low = float(fine[max(0, inside[0] - 1)]) if first > 0 or inside[0] > 0 else None
    high = float(fine[min(len(fine) - 1, inside[-1] + 1)])
    bounded = last < len(means) - 1 or inside[-1] < len(fine) - 1
    mean_s = float(fine[best])
    return _fit(EXPONENTIAL, trials, mean_s, low, high if bounded else math.inf, row_of(mean_s), free=2)


def _fit(
    model: str,
    trials: Sequence[Trial],
    parameter_s: float | None,
    low_s: float | None,
    high_s: float | None,
    row: Numbers,
    *,
    free: int,
) -> ModelFit:
    best = int(row.argmax())
    log_likelihood = float(row[best])
    # A sandbox goes idle before its answer is heard: the real times are longer than those seen by up to the overhead.
    overhead_s = sorted(trial.overhead_s for trial in trials)[len(trials) // 2]
    high_s = None if high_s is None or high_s == math.inf else high_s + overhead_s
    aic = 2 * free - 2 * log_likelihood
    lapse = float(_lapses()[best]) if best else 0.0  # the least stands for none
    return ModelFit(model, parameter_s, low_s, high_s, lapse, log_likelihood, aic, _r2(model, parameter_s, trials))


def _fixed(trials: Sequence[Trial], limit_s: float) -> Numbers:
    odd = sum(
        alive is not (idle_s < limit_s)
        for trial in trials
        for idle_s, alive in zip(trial.idle_s, trial.alive, strict=True)
    )
    return _bernoulli(sum(len(trial.alive) for trial in trials) - odd, odd)


def _halving(trials: Sequence[Trial], period_s: float) -> Numbers:
    import numpy as np

    total: Numbers = np.zeros_like(_lapses())
    for trial in trials:
        d_init = len(trial.alive)
        total = total + _counted(d_init, int(survivors(HALVING, period_s, trial.mean_idle_s, d_init)), trial.warm)
    return total


@cache
def _counted(d_init: int, expected: int, warm: int) -> Any:
    """Return the log-probability, by lapse rate, of a set of `warm` sandboxes of which a rule says how many, not which.

    All sets of a size are as likely, so that it compares with models that give each sandbox its own probability.
    """
    import numpy as np

    lapses = _lapses()
    chance = np.zeros_like(lapses)
    for kept in range(max(0, warm - (d_init - expected)), min(expected, warm) + 1):
        odd = (expected - kept) + (warm - kept)  # those that should be there and are not, and the reverse
        ways = math.comb(expected, kept) * math.comb(d_init - expected, warm - kept)
        chance += ways * lapses**odd * (1 - lapses) ** (d_init - odd)
    return np.log(np.maximum(chance, 1e-300)) - math.log(math.comb(d_init, warm))


def _bernoulli(as_told: int, odd: int) -> Numbers:
    import numpy as np

    lapses = _lapses()
    row: Numbers = as_told * np.log1p(-lapses) + odd * np.log(lapses)
    return row


def _breaks(model: str, trials: Sequence[Trial]) -> Iterator[float]:
    """Yield the parameters at which the rule begins to say something else of a trial."""
    for trial in trials:
        for idle_s in trial.idle_s if model == FIXED else (trial.mean_idle_s,):
            yield from breaks_of(model, idle_s, len(trial.alive))


def breaks_of(model: str, idle_s: float, d_init: int) -> Iterator[float]:
    """Yield the parameters at which a rule begins to say something else of so many sandboxes left for so long."""
    if model == FIXED:
        yield max(idle_s, 1e-9)
    else:  # after so many periods nothing is left
        yield from (max(idle_s, 1e-9) / periods for periods in range(1, d_init.bit_length() + 1))


@cache
def _lapses() -> Any:
    import numpy as np

    return np.geomspace(*_LAPSES)


def _drop(confidence: float) -> float:
    """Return how far the log-likelihood may fall inside an interval (Wilks)."""
    from scipy.special import erfinv

    return float(erfinv(confidence)) ** 2  # half the quantile of chi squared with one degree of freedom


def _r2(model: str, parameter_s: float | None, trials: Sequence[Trial]) -> float | None:
    """Return the R^2 of the number of survivors of each trial, as a share of its sandboxes."""
    seen = [trial.share for trial in trials]
    mean = math.fsum(seen) / len(seen)
    total = math.fsum((share - mean) ** 2 for share in seen)
    if total == 0:
        return None
    left = math.fsum(
        (trial.share - survivors(model, parameter_s, trial.mean_idle_s, len(trial.alive)) / len(trial.alive)) ** 2
        for trial in trials
    )
    return 1 - left / total
