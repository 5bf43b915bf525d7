"""What is known of the stability of one condition: its tests, what they say together, and what explains it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Estimate, Figure, Finding
from sebsx.reading.believed import believed
from sebsx.reading.blocks import Observations
from sebsx.settings import setting
from sebsx.stats import cv
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
    from collections.abc import Iterator, Mapping

    from sebsx.model.frame import Numbers, Places
    from sebsx.reading.conditions import Condition
    from sebsx.stats import Drift, Modes
    from sebsx_quality.series import WarmUp

TOO_FEW = "not enough data"
STABLE = "stable"
NOTHING = "nothing found"  # which is less: a drift that matters may hide in its interval
_HOUR_S = 3600.0
_MOST_SERIES = 8  # sandboxes that a figure tells apart
_MOSTLY = 0.5  # share of the spread from which something is said to explain it


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


class Study:
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
            return TOO_FEW
        words = [
            *(["drifts"] if self.drifts else []),
            *(["jumps"] if self.jumps else []),
            *(["warms up"] if self.warms_up else []),
            *(["two modes"] if self.modes and self.modes.distinct else []),
        ]
        least = self.settings.smallest_change
        still = -least <= self.drift.change_low and self.drift.change_high <= least
        return ", ".join(words) or (STABLE if still else NOTHING)

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
                "median_s": self._median(mine),
            }

    def _median(self, mine: Places) -> Estimate:
        """Return the median of some of the values that were answered; sandboxes are the units."""
        values = Observations.listed(self.values[mine].tolist(), self._sandbox_of[mine].tolist())
        return believed(self.condition, self.settings.metric, values, 0.5, self.settings.confidence)

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
        parts += [f"{' and '.join(unknown)} could not be distinguished"] if unknown else []
        return "; ".join(parts)

    def _drift(self, factor: float) -> Estimate:
        known = self.drift
        if not known:
            return Estimate(None, n=len(self.values), note=TOO_FEW)
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


def _members(codes: Places) -> list[Places]:
    """Return the places of each code, in the order of time."""
    import numpy as np  # heavy

    if not len(codes):
        return []
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _excludes_0(known: Drift) -> bool:
    return known.change_low > 0 or known.change_high < 0


def _interval(known: Drift) -> str:
    return f"{known.change_low:.1%} to {known.change_high:.1%}"


def _span(seconds: float) -> str:
    return f"{seconds / _HOUR_S:.1f} h" if seconds >= _HOUR_S else f"{seconds:.0f} s"
