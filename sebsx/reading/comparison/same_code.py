"""What identical code shows: how far apart two sides are measured that run the same code, in turns.

Such a pair is a trial of the machine and the platform, not of the code. Any interleaved run holds trials whose base and
new side have the same digest; `sebsx selftest` makes twenty. A comparison says them beside its verdicts: a difference
that identical code shows as well is none of the code's.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import StoreError
from sebsx.model import Design
from sebsx.reading.comparison.samples import measure
from sebsx.reading.conditions import conditions
from sebsx.stats import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from sebsx.contracts.analyzers import Estimate
    from sebsx.contracts.runs import RunView
    from sebsx.model import Factors
    from sebsx.model.metrics import Metric
    from sebsx.reading.conditions import Condition
    from sebsx.store import Store

LEAST_TRIALS = 5  # below it a run is not held against others: its largest difference says too little
_SHARE = 0.95
_ALPHA = 0.05
_THRESHOLD = 0.05
_DIGEST = "benchmark_sha256"
_CODE = "benchmark"
_RARE = 0.01  # chance below which more differences than promised are no accident
# Facts by which a machine is known again.
_MACHINE = ("cpu_model", "cpu_count", "machine", "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdenticalTrial:
    """Two sides with the same code, compared as any two are.

    Args:
        levels: What the sides have in common, by factor.
        ratio: One side to the other, with its 95 % interval.
        p: Of the test, on its own.
        verdict: With a threshold of 5 %, on its own.
    """

    levels: Mapping[str, Any]
    ratio: Estimate
    p: float
    verdict: Verdict

    @property
    def size(self) -> float:
        """How far apart the sides are, as a share: 0.02 whether one is 1.02 of the other or 1 / 1.02."""
        assert self.ratio.value is not None
        return math.exp(abs(math.log(self.ratio.value))) - 1

    @property
    def different(self) -> bool:
        """Whether the interval excludes that nothing differs: by chance one in twenty does."""
        assert self.ratio.low is not None
        assert self.ratio.high is not None
        return not self.ratio.low <= 1 <= self.ratio.high

    @property
    def alarm(self) -> bool:
        """Whether a gate would have called it a change."""
        return self.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT, Verdict.CHANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SameCode:
    """The trials of one metric on one platform.

    Args:
        run: That they were measured in.
        experiment: Of that run.
        measured_at: When it began.
        platform: Where the code ran.
        metric: What was compared.
        trials: At least one.
    """

    run: str
    experiment: str
    measured_at: datetime
    platform: str
    metric: Metric
    trials: tuple[IdenticalTrial, ...]

    @property
    def within(self) -> float:
        """The smallest share that the sides of 95 % of the trials, rounded up, are not farther apart than."""
        sizes = sorted(trial.size for trial in self.trials)
        return sizes[math.ceil(_SHARE * len(sizes)) - 1]

    @property
    def different(self) -> int:
        """How many intervals exclude that nothing differs."""
        return sum(trial.different for trial in self.trials)

    @property
    def alarms(self) -> int:
        """How many a gate would have called a change."""
        return sum(trial.alarm for trial in self.trials)

    @property
    def unsure(self) -> bool:
        """Whether intervals exclude no difference more often than 5 % can by chance."""
        n = len(self.trials)
        chances = (
            math.comb(n, k) * _ALPHA**k * (1 - _ALPHA) ** (n - k) for k in range(self.different, n + 1)
        )  # binomial
        return math.fsum(chances) < _RARE

    @property
    def largest(self) -> str:
        """How far apart identical code is measured, in words: `up to 2.3 % in 95 % of 20 trials`."""
        n = len(self.trials)
        every = f"all of {n} trials" if n > 1 else "1 trial"
        which = f"{100 * _SHARE:g} % of {n} trials" if math.ceil(_SHARE * n) < n else every
        return f"up to {100 * self.within:.2g} % in {which}"

    @property
    def words(self) -> str:
        """The sentence that stands beside a verdict."""
        date = f"{self.measured_at.day} {self.measured_at:%b %Y}"
        return (
            f"on this machine identical code differs by {self.largest} "
            f"({self.metric.name} on {self.platform}, {self.experiment} of {date})"
        )

    def doubt(self, ratio: float | None) -> str:
        """Return why a change may be none of the code's, in words; empty where it is larger than that."""
        if ratio is None or ratio <= 0 or math.exp(abs(math.log(ratio))) - 1 > self.within:
            return ""
        return f"no larger than what identical code shows on this machine ({self.largest})"

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "run": self.run, "experiment": self.experiment, "measured_at": self.measured_at, "platform": self.platform,
            "metric": self.metric.name, "trials": len(self.trials), "within": self.within,
            "different": self.different, "alarms": self.alarms, "words": self.words,
        }  # fmt: skip


def same_code(view: RunView, metrics: Sequence[Metric]) -> list[SameCode]:
    """Return what a run shows of identical code: of each platform and metric that has a trial.

    Args:
        view: The run; one that was interrupted has the trials that it measured.
        metrics: What to compare; costs and failures are left out.
    """
    if view.run.design is not Design.RMIT:
        return []
    found = conditions([view], [metric.name for metric in metrics])
    pairs = list(_identical([(one, one.cell.factors) for one in found if one.cell], view.run.factors))
    platforms = dict.fromkeys(str(base.identity["platform"]) for base, _ in pairs)
    groups = [
        (platform, metric, tuple(_trials(pairs, platform, metric, view.run.factors)))
        for platform in platforms
        for metric in metrics
        if metric.unit != "USD"
    ]
    return [
        SameCode(
            run=view.run.id, experiment=view.run.experiment, measured_at=view.run.started_at,
            platform=platform, metric=metric, trials=trials,
        )
        for platform, metric, trials in groups
        if trials
    ]  # fmt: skip


def newest(store: Store, views: Sequence[RunView]) -> RunView | None:
    """Return the newest run of a store with trials enough on the machine and a platform of some runs; None for none.

    Args:
        store: Where to look; runs that cannot be read are passed over.
        views: Those to be compared, which do not count themselves.
    """
    mine = {view.run.id for view in views}
    machines = [machine for view in views if any(machine := _machine(view))]
    platforms = {str(cell.factors.get("platform")) for view in views for cell in view.cells()}
    for run in store.sound_runs()[0]:
        if run.id not in mine and run.design is Design.RMIT and _side(run.factors):
            view = store.view(run.id)
            with suppress(StoreError):
                if _machine(view) in machines and _counts(view, platforms) >= LEAST_TRIALS:
                    return view
    return None


def _counts(view: RunView, platforms: AbstractSet[str]) -> int:
    """Return how many pairs of cells with the same code a run has on some platforms."""
    cells = [(cell, cell.factors) for cell in view.cells() if str(cell.factors.get("platform")) in platforms]
    return len(list(_identical(cells, view.run.factors)))


def _machine(view: RunView) -> tuple[Any, ...]:
    return tuple(view.environment.get(name) for name in _MACHINE)


def _side(factors: Factors) -> str:
    """Return the factor that says which side a cell is of; empty for none."""
    return next((factor.name for factor in factors.declared if factor.base), "")


def _identical(sides: Sequence[tuple[Any, Mapping[str, Any]]], factors: Factors) -> Iterator[tuple[Any, Any]]:
    """Yield the base and the new side of each pair that has the same code, of things with their levels."""
    name = _side(factors)
    groups: dict[object, dict[bool, tuple[Any, Mapping[str, Any]]]] = {}
    for one, levels in sides:
        if levels.get(name):
            groups.setdefault(factors.alike(levels), {})[levels[name] == factors[name].base] = (one, levels)
    for both in groups.values():
        if len(both) == 2:
            (base, before), (new, after) = both[True], both[False]
            if before.get(_DIGEST) and before[_DIGEST] == after.get(_DIGEST) and before.get(_CODE) == after.get(_CODE):
                yield base, new


def _trials(
    pairs: Sequence[tuple[Condition, Condition]], platform: str, metric: Metric, factors: Factors
) -> Iterator[IdenticalTrial]:
    for base, new in pairs:
        if str(base.identity["platform"]) != platform or base.doubt or new.doubt:
            continue  # a comparison refuses what was starved or is invalid, and so must this
        found = measure(base, new, metric, paired=True, alpha=_ALPHA, threshold=_THRESHOLD)
        if found is None or found.comparison is None or found.ratio.low is None:
            continue
        assert base.cell is not None
        yield IdenticalTrial(
            levels=dict(factors.alike(base.cell.factors)),
            ratio=found.ratio,
            p=found.comparison.p,
            verdict=verdict(found.comparison, _THRESHOLD, better=metric.better),
        )
