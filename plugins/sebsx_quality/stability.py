"""stability: does a condition hold still while it is measured, and if not, what moves it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Column, Estimate, Figure, Finding, Report, Table, about_completeness
from sebsx.reading.conditions import caption, conditions, identity_columns, labels, level, median_estimate
from sebsx.settings import setting
from sebsx.stats import cv, holm
from sebsx_quality.evidence import sandboxes_of
from sebsx_quality.series import (
    Explained,
    LevelChange,
    changes_of,
    drift_of,
    explained_by,
    modes_of,
    outlier_share,
    thinned,
    warm_up_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Numbers, Places
    from sebsx.reading.conditions import Condition
    from sebsx.stats import Drift, Modes
    from sebsx_quality.series import WarmUp

_TOO_FEW = "not enough data"
_STABLE = "stable"
_NOTHING = "nothing found"  # which is less: a drift that matters may hide in its interval
_HOUR_S = 3600.0
_MOST_SERIES = 8  # sandboxes that a figure tells apart
_MOSTLY = 0.5  # share of the spread from which something is said to explain it

_SHAPE = (
    Column("n", "n", unit="count", meaning="values that count"),
    Column("span_s", "span", unit="s", meaning="from the first to the last"),
    Column("cv", "CV", unit="1", meaning="standard deviation over mean"),
    Column("outliers", "outliers", unit="1", meaning="share beyond three interquartile ranges"),
    Column("drift", "drift", unit="1", meaning="change from start to end by the trend, as a share of the median"),
    Column("per_hour", "per hour", unit="1", meaning="the same for an hour, where it was measured that long"),
    Column("changes", "changes", unit="count", meaning="changes of level that stand the correction"),
    Column("warm_up", "first calls", meaning="first tenth of the calls of a sandbox over the rest"),
    Column("modes", "modes", unit="count", meaning="kinds of values"),
    Column("by_cpu", "by CPU", unit="1", meaning="share of the spread of ranks between CPU models"),
    Column("by_sandbox", "by sandbox", unit="1", meaning="share of the spread of ranks between sandboxes"),
    Column("verdict", "verdict"),
)
_CHANGES = (
    Column("at_s", "at", unit="s", meaning="since the first invocation of the condition"),
    Column("sequence", "sequence", unit="count", meaning="first invocation of the new level"),
    Column("before_s", "before", unit="s", meaning="median"),
    Column("after_s", "after", unit="s", meaning="median"),
    Column("ratio", "after / before"),
)
_MODELS = (
    Column("cpu_model", "CPU model"),
    Column("sandboxes", "sandboxes", unit="count"),
    Column("n", "n", unit="count"),
    Column("median_s", "median", unit="s", meaning="with its interval"),
)


@dataclass(frozen=True)
class StabilitySettings:
    """What counts as unstable."""

    metric: str = setting(
        "client.latency_s",
        help="metric that is examined",
        choices=("client.latency_s", "client.response_s", "function.duration_s", "provider.duration_s"),
    )
    confidence: float = setting(
        0.95, help="confidence of the intervals, and of all tests together", minimum=0.5, maximum=0.999
    )
    smallest_change: float = setting(0.05, help="smallest change that matters, as a share", minimum=0)
    figures: int = setting(12, help="maximum number of conditions drawn, the least stable first", minimum=0)
    points: int = setting(400, help="maximum number of points of one series in a figure", minimum=2)


class Stability(Analyzer[StabilitySettings]):
    """Drift, changes of level, warm-up, modes and outliers, and whether CPU models or sandboxes explain them."""

    name: ClassVar[str] = "stability"
    summary: ClassVar[str] = "drift, jumps, warm-up and modes, and whether CPU models or sandboxes explain them"
    standard: ClassVar[bool] = True
    columns: ClassVar[Sequence[str]] = ("sandbox_id",)
    Settings: ClassVar[type[Any]] = StabilitySettings

    def analyze(self, runs: Sequence[RunView], settings: StabilitySettings) -> Report:
        """Return what holds still and what does not, condition by condition."""
        found = conditions(runs, more=self.columns)
        models = {view.run.id: _cpu_models(view) for view in runs}
        studies = [
            _Study(condition, name, models[condition.run.id], settings)
            for condition, name in zip(found, labels(found), strict=True)
        ]
        _correct(studies)
        identity = identity_columns(found)
        shape = [{**_identity(study, identity), **study.row} for study in studies]
        tables = [Table("stability", columns=(*identity, *_SHAPE), rows=shape, caption=caption(found))]
        changes = [{**_identity(study, identity), **row} for study in studies for row in study.change_rows()]
        if changes:
            tables.append(
                Table("changes", columns=(*identity, *_CHANGES), rows=changes, caption="where the level changed")
            )
        strata = [{**_identity(study, identity), **row} for study in studies for row in study.model_rows()]
        if strata:
            tables.append(
                Table("cpu-models", columns=(*identity, *_MODELS), rows=strata, caption="medians on each CPU model")
            )
        findings = [*about_completeness(runs), *(finding for study in studies for finding in study.findings())]
        findings += _in_short(studies, settings)
        return Report(
            "Stability", tables=tables if found else (), figures=_figures(studies, settings), findings=findings
        )


class _Study:
    """What is known of the stability of one condition.

    Args:
        condition: The condition.
        name: What it is called in findings.
        models: CPU model by deployment and sandbox.
        settings: What counts as unstable.
    """

    def __init__(
        self,
        condition: Condition,
        name: str,
        models: Mapping[tuple[int, str], str],
        settings: StabilitySettings,
    ) -> None:
        import numpy as np  # heavy

        self.condition, self.name, self.settings = condition, name, settings
        counted = condition.counted
        values, times = counted[settings.metric], counted["client_sent_s"]
        usable = np.isfinite(values) & (values > 0) & np.isfinite(times)
        self.unusable = int((np.isinf(values) | (values <= 0)).sum())
        frame = counted.where(usable)
        order = np.argsort(frame["client_sent_s"], kind="stable")
        self.values: Numbers = frame[settings.metric][order]
        self.times: Numbers = frame["client_sent_s"][order]
        self.sequences: Numbers = frame["sequence"][order]
        self.span_s = float(self.times[-1] - self.times[0]) if len(self.times) else 0.0
        places, names = sandboxes_of(frame)
        self._sandbox_of: Places = places[order]
        self._known = [bool(sandbox) for _deployment, sandbox in names]
        self._model_of_sandbox = [models.get((deployment, sandbox or "")) for deployment, sandbox in names]
        self.drift: Drift | None = drift_of(self.values, self.times, settings.confidence)
        self.changes: list[LevelChange] = changes_of(self.values)
        self.warm_up: WarmUp | None = warm_up_of(self.values, self.sandboxes)
        self.modes: Modes | None = modes_of(self.values)
        self.by_cpu: Explained | None = explained_by(self.values, list(self.models.values()))
        self.by_sandbox: Explained | None = explained_by(self.values, self.sandboxes)
        self.p: dict[str, float] = {}  # corrected for all tests of all conditions, by `_correct`

    @cached_property
    def sandboxes(self) -> list[Places]:
        """Where the values of each sandbox are, those of no known one left out."""
        groups = _members(self._sandbox_of)
        return [mine for mine in groups if self._known[self._sandbox_of[mine[0]]]]

    @cached_property
    def models(self) -> dict[str, Places]:
        """Where the values of each CPU model are."""
        import numpy as np  # heavy

        known = sorted({model for model in self._model_of_sandbox if model})
        places = np.array([known.index(model) if model else -1 for model in self._model_of_sandbox], dtype=np.int64)
        codes = places[self._sandbox_of] if len(places) else np.empty(0, dtype=np.int64)
        return dict(zip(known, (np.flatnonzero(codes == place) for place in range(len(known))), strict=True))

    def tests(self) -> Iterator[tuple[str, float]]:
        """Yield every test that was made, and its p value."""
        if self.drift:
            yield "drift", self.drift.p
        for place, change in enumerate(self.changes):
            yield f"change {place}", change.p
        for name, made in (("warm_up", self.warm_up), ("by_cpu", self.by_cpu), ("by_sandbox", self.by_sandbox)):
            if made:
                yield name, made.p

    def certain(self, test: str) -> bool:
        """Tell whether a test rejects after the correction."""
        return self.p.get(test, 1.0) <= 1 - self.settings.confidence

    @property
    def drifts(self) -> bool:
        """Whether it drifts for certain, and by so much that it matters."""
        least, known = self.settings.smallest_change, self.drift
        return known is not None and self.certain("drift") and abs(known.change) >= least and _excludes_0(known)

    @property
    def jumps(self) -> list[LevelChange]:
        """The changes that are certain and matter."""
        least = 1 + self.settings.smallest_change
        return [
            change
            for place, change in enumerate(self.changes)
            if self.certain(f"change {place}") and max(change.ratio, 1 / change.ratio) >= least
        ]

    @property
    def warms_up(self) -> bool:
        """Whether the first calls of its sandboxes differ for certain, and by so much that it matters."""
        least, known = 1 + self.settings.smallest_change, self.warm_up
        return known is not None and self.certain("warm_up") and max(known.ratio, 1 / known.ratio) >= least

    @property
    def verdict(self) -> str:
        """In words what is not stable about it."""
        if not self.drift:
            return _TOO_FEW
        words = [
            *(["drifts"] if self.drifts else []),
            *(["jumps"] if self.jumps else []),
            *(["warms up"] if self.warms_up else []),
            *(["two modes"] if self.modes and self.modes.distinct else []),
        ]
        least = self.settings.smallest_change
        still = -least <= self.drift.change_low and self.drift.change_high <= least
        return ", ".join(words) or (_STABLE if still else _NOTHING)

    @property
    def row(self) -> dict[str, Any]:
        """Its row of the first table."""
        return {
            "n": len(self.values),
            "span_s": self.span_s if len(self.values) else None,
            "cv": cv(self.values),
            "outliers": outlier_share(self.values),
            "drift": self._drift(1.0),
            "per_hour": self._drift(_HOUR_S / self.span_s) if self.span_s >= _HOUR_S else None,
            "changes": len(self.jumps) if self.drift else None,
            "warm_up": self.warm_up.ratio if self.warm_up else None,
            "modes": None if self.modes is None else 1 + self.modes.distinct,
            "by_cpu": self.by_cpu.share if self.by_cpu else None,
            "by_sandbox": self.by_sandbox.share if self.by_sandbox else None,
            "verdict": self.verdict,
        }

    def change_rows(self) -> Iterator[dict[str, Any]]:
        """Yield its rows of the table of changes."""
        for change in self.jumps:
            yield {
                "at_s": float(self.times[change.index] - self.times[0]),
                "sequence": int(self.sequences[change.index]),
                "before_s": change.before,
                "after_s": change.after,
                "ratio": change.ratio,
            }

    def model_rows(self) -> Iterator[dict[str, Any]]:
        """Yield its rows of the table of CPU models; empty where there was one model only."""
        import numpy as np  # heavy

        for model, mine in self.models.items() if len(self.models) > 1 else ():
            yield {
                "cpu_model": model,
                "sandboxes": len(np.unique(self._sandbox_of[mine])),
                "n": len(mine),
                "median_s": median_estimate(self.values[mine], self.settings.confidence),
            }

    def findings(self) -> Iterator[Finding]:
        """Yield what is not stable about it, with what explains it."""
        if self.unusable:
            text = f"{self.name}: {self.unusable} values are infinite or not positive and were left out"
            yield Finding(
                f"{text}; the analyzer data-quality says which", numbers={"count": self.unusable}, warning=True
            )
        if self.drift and self.drifts:
            word = "slower" if self.drift.change > 0 else "faster"
            text = (
                f"{self.name} became {word} by {abs(self.drift.change):.1%} while it was measured "
                f"({_interval(self.drift)}, {_span(self.span_s)}): what was measured later is not comparable with what "
                "was measured before; interleave what you compare (--design rmit)"
            )
            yield Finding(
                text, numbers={"change": self.drift.change, "p": self.p["drift"], "rho": self.drift.rho}, warning=True
            )
        for change in self.jumps:
            at_s = float(self.times[change.index] - self.times[0])
            text = f"{self.name}: the level went from {change.before:.4g} s to {change.after:.4g} s {at_s:.0f} s after"
            numbers = {"ratio": change.ratio, "sequence": int(self.sequences[change.index])}
            yield Finding(f"{text} its start (sequence {numbers['sequence']})", numbers=numbers, warning=True)
        if self.warm_up and self.warms_up:
            text = (
                f"{self.name}: the first tenth of a sandbox's calls takes {self.warm_up.ratio:.2f} times as long as "
                "the rest; nothing was dropped, more warm-ups (--warmups) would measure the steady state alone"
            )
            yield Finding(text, numbers={"ratio": self.warm_up.ratio, "p": self.p["warm_up"]}, warning=True)
        if self.modes and self.modes.distinct:
            shares = f"{1 - self.modes.high_share:.0%} about {self.modes.low:.4g} s and {self.modes.high_share:.0%}"
            text = f"{self.name} has two kinds of values, {shares} about {self.modes.high:.4g} s: {self._why()}"
            yield Finding(
                text, numbers={"low": self.modes.low, "high": self.modes.high, "by": self._explanation}, warning=True
            )
        elif self._explanation:
            share = getattr(self, f"by_{self._explanation}").share
            text = f"{self.name}: {share:.0%} of its spread lies between {_GROUPS[self._explanation]}"
            yield Finding(f"{text}; read its median with care", numbers={"share": share}, warning=True)

    @property
    def _explanation(self) -> str:
        """What explains most of the spread for certain: `cpu`, `sandbox` or nothing."""
        for name, known in (("cpu", self.by_cpu), ("sandbox", self.by_sandbox)):
            if known and known.share >= _MOSTLY and self.certain(f"by_{name}"):
                return name
        return ""

    def _why(self) -> str:
        known = self._explanation
        if known:
            share = getattr(self, f"by_{known}").share
            return f"{_GROUPS[known]} explain {share:.0%} of the spread; read medians for each of them"
        unknown = [
            *(["CPU models"] if self.by_cpu is None else []),
            *(["sandboxes"] if self.by_sandbox is None else []),
        ]
        tested = [word for word in ("CPU models", "sandboxes") if word not in unknown]
        parts = [f"{' and '.join(tested)} do not explain them"] if tested else []
        parts += [f"{' and '.join(unknown)} could not be told apart"] if unknown else []
        return "; ".join(parts)

    def _drift(self, factor: float) -> Estimate:
        known = self.drift
        if not known:
            return Estimate(None, n=len(self.values), note=_TOO_FEW)
        return Estimate(
            known.change * factor,
            low=known.change_low * factor,
            high=known.change_high * factor,
            confidence=self.settings.confidence,
            n=len(self.values),
        )

    def groups(self) -> dict[str, Places]:
        """Return where the values of each series of its figure are: by CPU model or, if there is one only, sandbox."""
        import numpy as np  # heavy

        groups: dict[str, Places] = {}
        if len(self.models) > 1:
            groups = self.models
        elif 1 < len(self.sandboxes) <= _MOST_SERIES:
            groups = {f"sandbox {place}": mine for place, mine in enumerate(self.sandboxes, 1)}
        told = np.zeros(len(self.values), dtype=bool)
        for mine in groups.values():
            told[mine] = True
        rest = np.flatnonzero(~told)
        if len(rest):
            groups = {**groups, "others" if groups else "all": rest}
        return groups

    def figure(self, name: str) -> Figure:
        """Return its values over time."""
        metric, groups = self.settings.metric, self.groups()
        points = {
            key: thinned(self.times[mine] - self.times[0], self.values[mine], self.settings.points)
            for key, mine in groups.items()
        }
        return Figure(
            name,
            "scatter",
            title=f"{self.name}: {metric} over time",
            x=Column("at_s", "since its first invocation", unit="s"),
            y=Column("value_s", metric, unit="s"),
            series=points,
            samples={key: len(mine) for key, mine in groups.items()},
        )

    @property
    def restlessness(self) -> tuple[int, float]:
        """By what figures are ordered: how much is unstable, then how much it varies."""
        known = self.drift
        return (
            sum([self.drifts, bool(self.jumps), self.warms_up, bool(self.modes and self.modes.distinct)]),
            abs(known.change) if known else 0.0,
        )


_GROUPS = {"cpu": "CPU models", "sandbox": "sandboxes"}


def _cpu_models(view: RunView) -> dict[tuple[int, str], str]:
    return {
        (item.deployment_id, item.sandbox_id): str(item.facts["cpu_model"])
        for item in view.sandboxes()
        if item.facts.get("cpu_model")
    }


def _members(codes: Places) -> list[Places]:
    """Return the places of each code, in the order of time."""
    import numpy as np  # heavy

    if not len(codes):
        return []
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _correct(studies: Sequence[_Study]) -> None:
    """Correct the tests of all conditions together: a thousand of them would else give fifty false alarms."""
    made = [(study, name, p) for study in studies for name, p in study.tests()]
    for (study, name, _p), corrected in zip(made, holm([p for _study, _name, p in made]), strict=True):
        study.p[name] = corrected


def _identity(study: _Study, columns: Sequence[Column]) -> dict[str, Any]:
    return {column.key: level(study.condition, column.key) for column in columns}


def _excludes_0(known: Drift) -> bool:
    return known.change_low > 0 or known.change_high < 0


def _interval(known: Drift) -> str:
    return f"{known.change_low:.1%} to {known.change_high:.1%}"


def _span(seconds: float) -> str:
    return f"{seconds / _HOUR_S:.1f} h" if seconds >= _HOUR_S else f"{seconds:.0f} s"


def _in_short(studies: Sequence[_Study], settings: StabilitySettings) -> Iterator[Finding]:
    """Yield how many conditions are stable, and what could not be told or shown."""
    told = [study for study in studies if study.drift]
    stable, quiet = (sum(study.verdict == word for study in told) for word in (_STABLE, _NOTHING))
    if told:
        text = f"{stable} of {len(told)} conditions are stable"
        hidden = f"; of {quiet} nothing is certain, but too little is known to call them so" if quiet else ""
        yield Finding(text + hidden, numbers={"stable": stable, "nothing_found": quiet, "n": len(told)})
    if len(told) < len(studies):
        few = len(studies) - len(told)
        text = f"{few} of {len(studies)} conditions have fewer than 10 samples: {_TOO_FEW} to tell stability"
        yield Finding(text, numbers={"count": few}, warning=True)
    if len(told) > settings.figures:
        yield Finding(f"the {settings.figures} least stable conditions of {len(told)} are drawn")


def _figures(studies: Sequence[_Study], settings: StabilitySettings) -> list[Figure]:
    drawn = sorted((study for study in studies if study.drift), key=lambda study: study.restlessness, reverse=True)
    return [study.figure(f"series-{place}") for place, study in enumerate(drawn[: settings.figures], 1)]
