"""What an eviction run says: how long idle sandboxes live, by which rule, and what keeping some warm costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Estimate,
    Figure,
    Finding,
    IntervalSettings,
    Method,
    Report,
    Table,
    about_runs,
)
from sebsx.model import Status
from sebsx.reading.conditions import name_of
from sebsx.reading.units import show
from sebsx.settings import setting
from sebsx_eviction.goodness import REFUTED, p_value
from sebsx_eviction.models import EXPONENTIAL, FIXED, HALVING, NONE, ModelFit, fit_all, survival_steps
from sebsx_eviction.models import survivors as expected_survivors
from sebsx_eviction.trials import read_trials
from sebsx_eviction.warming import chance_of, cheapest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx_eviction.trials import Trial

# Factors that a condition is made of; its trials differ in idle time and number of sandboxes.
_IDENTITY = (
    Column("platform", "platform"),
    Column("region", "region"),
    Column("benchmark", "benchmark"),
    Column("language", "language"),
    Column("architecture", "architecture"),
    Column("memory_mib", "MiB", meaning="provisioned memory"),
    Column("padding_mib", "padding", meaning="MiB added to the package"),
    Column("hold", "hold", meaning="how long a call holds its sandbox"),
)
_OBSERVED = (
    Column("d_init", "sandboxes", unit="count", meaning="simultaneous sandboxes before the idle time"),
    Column("idle_s", "idle time", unit="s", meaning="mean of what it was, by the client's monotonic clock"),
    Column("trials", "trials", unit="count", meaning="that count"),
    Column("void", "void", unit="count", meaning="trials that ended and say nothing"),
    Column("warm", "warm", meaning="mean number of sandboxes that were still there"),
    Column("expected", "expected", meaning="the same by the best model"),
)
_MODELS = (
    Column("model", "model"),
    Column(
        "parameter_s",
        "time",
        unit="s",
        meaning="time to live, halving period or mean, with its profile-likelihood interval",
    ),
    Column("aic", "AIC", meaning="Akaike's criterion: the less the better"),
    Column("weight", "weight", unit="1", meaning="Akaike weight: support among these models"),
    Column("r2", "R²", meaning="share of the variance of survivors that the model explains"),
    Column("lapse", "lapses", unit="1", meaning="sandboxes found otherwise than the rule says, as fitted"),
    Column("n", "sandboxes", unit="count", meaning="that were looked at"),
)
_WARMING = (
    Column("wanted", "kept warm", unit="count", meaning="sandboxes wanted at the end of each period"),
    Column("probability", "with probability", unit="1", meaning="by the survival curve at the next idle time seen"),
    Column("period_s", "period", unit="s", meaning="time between two bursts of calls"),
    Column("called", "calls at once", unit="count"),
    Column("calls_per_month", "calls a month", meaning="of 730 hours"),
    Column("cost_per_month_usd", "cost a month", unit="USD", meaning="at the mean cost of a warm call of this run"),
)
_RULES = {
    FIXED: "live {time} after their last call",
    HALVING: "are halved in number every {time}",
    EXPONENTIAL: "go at a constant rate, after {time} on average",
}
# Models whose criterion is no more than 2 above the least are not told apart (Burnham and Anderson, 2002).
_AS_GOOD = 2.0
_CURVE = 120


_LAW = Method(
    of="laws of eviction",
    unit="the trial: sandboxes left idle together for one time",
    interval="a law is refuted by a parametric bootstrap against the isotonic curve, and its numbers stand with a "
    "profile of the likelihood",
    silent="idle times beyond those tried, nor the law of another hour or of more load",
    page="docs/methods/eviction.md",
)


@dataclass(frozen=True)
class EvictionAnalyzerSettings(IntervalSettings):
    """How the report is made."""

    keep_warm: int = setting(1, help="sandboxes that a warming schedule keeps", minimum=1)
    probability: float = setting(
        0.99, help="probability with which it keeps them, 0.5 to 0.9999", minimum=0.5, maximum=0.9999
    )


@dataclass
class _Group:
    """The trials of one condition, by (idle time of the design, number of sandboxes)."""

    identity: Mapping[str, Any]
    trials: dict[tuple[Any, int], list[Trial]] = field(default_factory=lambda: defaultdict(list))
    costs_usd: list[float] = field(default_factory=list)
    fits: list[ModelFit] = field(default_factory=list)
    p: float | None = None  # of the best of them; see `p_value`
    name: str = ""
    place: str = ""  # the name without the benchmark

    @property
    def all(self) -> list[Trial]:
        return [trial for trials in self.trials.values() for trial in trials]

    @property
    def good(self) -> list[Trial]:
        return [trial for trial in self.all if trial.counts]

    @property
    def best(self) -> ModelFit | None:
        return self.fits[0] if self.fits else None

    @property
    def law(self) -> ModelFit | None:
        """The best model, unless the trials refute it."""
        return self.best if self.p is not None and self.p >= REFUTED else None

    @property
    def looks(self) -> int:
        return sum(len(trial.alive) for trial in self.good)

    @property
    def longest_s(self) -> float:
        return max((idle_s for trial in self.good for idle_s in trial.idle_s), default=0.0)


class EvictionAnalyzer(Analyzer[EvictionAnalyzerSettings]):
    """Models of eviction fitted by likelihood, survival without a model, and the cheapest warming schedule."""

    name: ClassVar[str] = "eviction"
    summary: ClassVar[str] = "how long idle sandboxes live, by which rule, and what keeping them warm costs"
    Settings: ClassVar[type[Any]] = EvictionAnalyzerSettings

    def analyze(self, runs: Sequence[RunView], settings: EvictionAnalyzerSettings) -> Report:
        """Return the report over all conditions of all runs."""
        groups = [group for view in runs for group in _groups(view)]
        shown = _telling(groups)
        for group in groups:
            telling = {column.key: group.identity.get(column.key) for column in shown}
            group.name = name_of(telling)
            group.place = name_of({key: word for key, word in telling.items() if key != "benchmark"})
            group.fits = fit_all(group.good, settings.confidence)
            group.p = p_value(group.fits[0], group.good) if group.fits else None
        columns = tuple(column for column in _IDENTITY if column in shown)

        def table(name: str, own: Sequence[Column], rows: Any, caption: str) -> Table:
            found = [
                {**{column.key: group.identity.get(column.key) for column in columns}, **row}
                for group in groups
                for row in rows(group)
            ]
            return Table(name, columns=(*columns, *own), rows=found, caption=caption)

        tables = (
            table("models", _MODELS, lambda group: _models(group, settings.confidence), "best first"),
            table("observed", _OBSERVED, _observed, "sandboxes that outlived each idle time"),
            table("warming", _WARMING, lambda group: _warming(group, settings), "the schedule with the fewest calls"),
        )
        findings = [*_verdicts(groups, settings), *_doubts(groups), *_about_foreign(runs), *about_runs(runs)]
        return Report(
            "Eviction",
            tables=tables if runs else (),
            figures=_figures(groups),
            findings=findings,
            answers=[_answer(group, settings) for group in groups],
            methods=[_LAW],
        )


def _groups(view: RunView) -> list[_Group]:
    regions = {deployment.platform: deployment.region for deployment in view.deployments()}
    groups: dict[str, _Group] = {}
    for cell in view.cells():
        factors = cell.factors
        if "d_init" not in factors or "idle_s" not in factors:
            continue
        identity = {key.key: factors.get(key.key) for key in _IDENTITY}
        identity["region"] = regions.get(str(factors.get("platform")))
        parameters = factors.get("parameters")
        hold_s = parameters.get("duration_s") if isinstance(parameters, Mapping) else None
        identity["hold"] = None if hold_s is None else f"{hold_s:g} s"
        group = groups.setdefault(str(identity), _Group(identity))
        stored = list(view.invocations(cell_id=cell.id))
        group.trials[factors["idle_s"], int(factors["d_init"])] += read_trials(stored, int(factors["d_init"]))
        group.costs_usd += [
            call.cost_usd
            for call in stored
            if call.cost_usd is not None and call.status is Status.OK and call.start_type.value == "warm"
        ]
    return list(groups.values())


def _telling(groups: Sequence[_Group]) -> list[Column]:
    """Return the columns that tell conditions apart; the platform always does for a reader."""
    return [
        column
        for column in _IDENTITY
        if column.key == "platform" or len({str(group.identity.get(column.key)) for group in groups}) > 1
    ]


def _parameter(fit: ModelFit, n: int, confidence: float) -> Estimate:
    if fit.parameter_s is None:
        return Estimate(None, n=n, note="none")
    if fit.high_s is None:
        return Estimate(None, n=n, note=f"above {show(fit.low_s, 's')}" if fit.low_s else "not bounded")
    if fit.low_s is None:
        return Estimate(None, n=n, note=f"below {show(fit.high_s, 's')}")
    return Estimate(fit.parameter_s, low=fit.low_s, high=fit.high_s, confidence=confidence, n=n)


def _models(group: _Group, confidence: float) -> Iterator[dict[str, Any]]:
    weights = _weights(group.fits)
    for fit, weight in zip(group.fits, weights, strict=True):
        yield {
            "model": fit.model,
            "parameter_s": _parameter(fit, group.looks, confidence),
            "aic": fit.aic,
            "weight": weight,
            "r2": fit.r2,
            "lapse": fit.lapse,
            "n": group.looks,
        }


def _weights(fits: Sequence[ModelFit]) -> list[float]:
    """Return the Akaike weights: exp(-difference / 2), to one in sum. Source: Burnham and Anderson (2002), 2.9."""
    import numpy as np

    raw = np.exp([-(fit.aic - fits[0].aic) / 2 for fit in fits])
    return [float(weight) for weight in raw / raw.sum()]


def _observed(group: _Group) -> Iterator[dict[str, Any]]:
    best = group.best
    for (idle, d_init), trials in sorted(group.trials.items(), key=lambda item: (item[0][1], _number(item[0][0]))):
        for at_s, good in sorted(_levels(idle, trials).items()):
            expected = None
            if best is not None:
                expected = fmean(
                    expected_survivors(best.model, best.parameter_s, trial.mean_idle_s, d_init) for trial in good
                )
            yield {
                "d_init": d_init,
                "idle_s": at_s,
                "trials": len(good),
                "void": sum(bool(trial.problem) for trial in trials) if isinstance(idle, int | float) else None,
                "warm": fmean(trial.warm for trial in good),
                "expected": expected,
            }


def _number(idle: Any) -> float:
    return float(idle) if isinstance(idle, int | float) else 0.0


def _levels(idle: Any, trials: Sequence[Trial]) -> dict[float, list[Trial]]:
    """Return the trials that count by mean idle time: those of one level together, those of a bisection apart."""
    good = [trial for trial in trials if trial.counts]
    if not good:
        return {}
    if isinstance(idle, int | float):
        return {fmean(trial.mean_idle_s for trial in good): good}
    levels: dict[float, list[Trial]] = {}
    for trial in good:
        levels.setdefault(trial.mean_idle_s, []).append(trial)
    return levels


def _warming(group: _Group, settings: EvictionAnalyzerSettings) -> Iterator[dict[str, Any]]:
    steps = survival_steps(group.good)
    found = cheapest(steps, group.law, settings.keep_warm, settings.probability)
    if found:
        cost_usd = fmean(group.costs_usd) if group.costs_usd else None
        yield {
            "wanted": settings.keep_warm,
            "probability": chance_of(found, settings.keep_warm, steps),
            "period_s": found.period_s,
            "called": found.sandboxes,
            "calls_per_month": found.calls_per_month,
            "cost_per_month_usd": None if cost_usd is None else cost_usd * found.calls_per_month,
        }


def _verdicts(groups: Sequence[_Group], settings: EvictionAnalyzerSettings) -> Iterator[Finding]:
    for group in groups:
        best = group.best
        if best is None:
            yield Finding(
                f"{group.name}: not enough data: no trial counts", numbers={"trials": len(group.all)}, warning=True
            )
            continue
        text = _sentence(group, best, settings.confidence)
        yield Finding(text, numbers={"model": best.model, "parameter_s": best.parameter_s, "low_s": best.low_s,
                             "high_s": best.high_s, "aic": best.aic, "r2": best.r2, "n": group.looks,
                             "p": group.p})  # fmt: skip
        for row in _warming(group, settings):
            yield Finding(_kept_warm(row, best, f" of {group.name}"), numbers=row)


def _kept_warm(row: Mapping[str, Any], best: ModelFit, of: str) -> str:
    """Return the cheapest warming schedule in words."""
    cost = row["cost_per_month_usd"]
    price = "" if cost is None else f", for {cost:.2g} USD a month"
    calls = f"{row['called']} simultaneous calls" if row["called"] > 1 else "a call"
    many = "a sandbox" if row["wanted"] == 1 else f"{row['wanted']} sandboxes"
    seen = " (the longest seen)" if best.model == NONE else ""
    return (
        f"{calls} every {show(row['period_s'], 's')}{seen} will keep {many}{of} warm with "
        f"probability {row['probability']:.3g} by the survival curve{price}"
    )


def _sentence(group: _Group, best: ModelFit, confidence: float) -> str:
    start = f"idle sandboxes of {group.name} {_rule(group, best, confidence)}"
    if group.law is None:
        return f"{start} (the nearest law is {best.model}, p = {group.p:.2g}; n = {group.looks})"
    rival = group.fits[1]
    criterion = f"{best.model}; AIC {best.aic:.1f}, next {rival.model} {rival.aic:.1f}; n = {group.looks}"
    if best.model == NONE:
        return f"{start} ({criterion}); to see them go, leave them alone for longer (--idle)"
    if best.high_s is None or best.low_s is None:
        return f"{start} ({criterion})"
    return f"{start} ({100 * confidence:g} %; {criterion})"


def _rule(group: _Group, best: ModelFit, confidence: float) -> str:
    """Return what idle sandboxes do, by the best model: `live 10.0 s [9.8, 10.2] after their last call`."""
    if group.law is None:
        return f"follow no law that is known here: {_half(group)}"
    if best.model == NONE:
        return f"were still there after {show(group.longest_s, 's')}, the longest idle time seen"
    if best.high_s is None or best.low_s is None:
        bound = f"more than {show(best.low_s, 's')}" if best.low_s else f"less than {show(best.high_s, 's')}"
        return _RULES[best.model].format(time=bound)
    return _RULES[best.model].format(time=show(_parameter(best, group.looks, confidence), "s"))


def _half(group: _Group) -> str:
    """Return between which idle times half of the sandboxes went, by the survival curve."""
    steps = survival_steps(group.good)
    gone_s = next((at_s for at_s, share in steps if share < 0.5), None)
    there_s = max((at_s for at_s, share in steps if share >= 0.5), default=0.0)
    if gone_s is None:
        return f"more than half were still there after {show(there_s, 's')}, the longest idle time seen"
    return f"half of them go between {show(there_s, 's')} and {show(gone_s, 's')}"


def _answer(group: _Group, settings: EvictionAnalyzerSettings) -> str:
    """Return in one sentence what was found of a condition."""
    where = f"{group.identity['benchmark']} on {group.place}"
    if group.best is None:
        return f"{where}: no trial counts, so nothing is known of when idle sandboxes go"
    said = [f"idle sandboxes {_rule(group, group.best, settings.confidence)}"]
    said += [_kept_warm(row, group.best, "") for row in _warming(group, settings)]
    return f"{where}: {'; '.join(said)}"


def _doubts(groups: Sequence[_Group]) -> Iterator[Finding]:
    for group in groups:
        best = group.best
        if best is not None:
            rivals = [fit.model for fit in group.fits[1:] if fit.aic - best.aic <= _AS_GOOD and best.model != NONE]
            if rivals and group.law is not None:
                alone = all(len(trial.alive) == 1 for trial in group.good)
                advice = "; a single sandbox cannot tell, use more (--d-init 4)" if alone else ""
                text = f"{group.name}: {' and '.join(rivals)} fits about as well as {best.model}{advice}"
                yield Finding(text, numbers={"models": rivals}, warning=True)
            if group.law is None:
                text = (
                    f"{group.name}: no law fits: trials under {best.model}, the nearest, lie as far from the survival "
                    f"curve in {100 * (group.p or 0.0):.2g} % of cases; believe the curve"
                )
                yield Finding(text, numbers={"p": group.p}, warning=True)
        problems: dict[str, int] = defaultdict(int)
        for trial in group.all:
            if trial.problem:
                problems[trial.problem] += 1
        for problem, count in sorted(problems.items()):
            yield Finding(f"{group.name}: {count} trials are void: {problem}", numbers={"count": count}, warning=True)
        if cut := sum(trial.cut for trial in group.all):
            text = f"{group.name}: {cut} trials were cut before the end of their idle time"
            yield Finding(text, numbers={"count": cut}, warning=True)


def _about_foreign(runs: Sequence[RunView]) -> Iterator[Finding]:
    for view in runs:
        run = view.run
        if view.cells() and not _groups(view):
            text = f"run {run.id} is of the experiment {run.experiment!r}, which leaves no sandboxes alone"
            yield Finding(text, numbers={"run": run.id, "experiment": run.experiment}, warning=True)


def _figures(groups: Sequence[_Group]) -> list[Figure]:
    shown = [group for group in groups if group.good]
    if not shown:
        return []
    import numpy as np

    idle, share = Column("idle_s", "idle time", unit="s"), Column("share", "share of sandboxes still there", unit="1")
    survival: dict[str, list[tuple[float, float]]] = {}
    warm: dict[str, list[tuple[float, float]]] = {}
    samples: dict[str, int] = {}
    for group in shown:
        prefix = f"{group.name} " if len(shown) > 1 else ""
        survival[f"{prefix}observed"] = list(_corners(survival_steps(group.good)))
        best = group.best
        assert best is not None
        most = max(len(trial.alive) for trial in group.good)
        watched = sum(len(trial.alive) for trial in group.good)
        samples |= {f"{prefix}observed": watched, f"{prefix}{best.model}": watched}
        times = np.linspace(0, group.longest_s, _CURVE).tolist()
        survival[f"{prefix}{best.model}"] = [
            (at_s, expected_survivors(best.model, best.parameter_s, at_s, most) / most) for at_s in times
        ]
        for d_init in sorted({len(trial.alive) for trial in group.good}):
            warm[f"{prefix}{d_init} sandboxes"] = [
                (trial.mean_idle_s, float(trial.warm)) for trial in group.good if len(trial.alive) == d_init
            ]
            samples[f"{prefix}{d_init} sandboxes"] = len(warm[f"{prefix}{d_init} sandboxes"])
    count = Column("warm", "sandboxes still there", unit="count")
    return [
        Figure(
            "survival", "line", title="Share of idle sandboxes that survive", x=idle, y=share, series=survival,
            samples={name: samples[name] for name in survival},
        ),
        Figure(
            "warm", "scatter", title="Sandboxes still there after an idle time", x=idle, y=count, series=warm,
            samples={name: samples[name] for name in warm},
        ),
    ]  # fmt: skip


def _corners(steps: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the first and the last point of every level, so that a line through them shows what is known."""
    steps = list(dict.fromkeys(steps))
    for place, (at_s, share) in enumerate(steps):
        before = steps[place - 1][1] if place else None
        after = steps[place + 1][1] if place + 1 < len(steps) else None
        if share != before or share != after:
            yield at_s, share
