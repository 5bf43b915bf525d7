"""What a self-test says: how far apart identical code was measured, and how often it would have been called changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Column, Figure, Finding, Method, Report, Table, about_runs
from sebsx.model.metrics import CORE_METRICS
from sebsx.reading.comparison.same_code import same_code
from sebsx.reading.conditions import conditions, labels
from sebsx.reading.starved import about_starved
from sebsx.reading.units import many
from sebsx.settings import NoSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.comparison.same_code import SameCode

METRICS = tuple(metric for metric in CORE_METRICS if metric.name in ("client.latency_s", "function.duration_s"))
_TRIAL = "trial"
_NONE = "no trial has six sandboxes a side that got their processor: nothing can be said of identical code here"


_TRIALS = Method(
    of="how far identical code differs",
    unit="the trial, a whole comparison with functions of its own",
    interval="the share is that of the trials themselves, rounded up",
    silent="other code, other hours, or two runs that are measured one after the other",
    page="docs/methods/selftest.md",
)


class SelfTestAnalyzer(Analyzer[NoSettings]):
    """Reads runs of the experiment `selftest`, and all others in which identical code was compared in turns."""

    name: ClassVar[str] = "selftest"
    summary: ClassVar[str] = "how far apart identical code was measured, and how often it would be called changed"
    Settings: ClassVar[type[Any]] = NoSettings

    def analyze(self, runs: Sequence[RunView], settings: NoSettings) -> Report:
        """Return a row for each trial, and what they come to."""
        found = [one for view in runs for one in same_code(view, METRICS)]
        sides = conditions(runs)
        starved = about_starved(labels(sides), [side.starved for side in sides], "left out of the trials")
        return Report(
            "Identical code against itself",
            tables=[_summary(found), *_tables(found)],
            figures=list(_figures(found)),
            findings=[*about_runs(runs), *starved, *_findings(found)],
            answers=[in_words(one) for one in found],
            methods=[_TRIALS],
        )


def in_words(found: SameCode) -> str:
    """Return in one sentence what the trials of a metric come to."""
    n = len(found.trials)
    return (
        f"{found.platform}, {found.metric.name}: identical code differs by {found.largest}; "
        f"{found.different} of {many(n, 'interval')} exclude that nothing changed, where 5 % are promised, and "
        f"{found.alarms} of {many(n, 'gate')} with a threshold of 5 % fail"
    )


def document(found: SameCode) -> dict[str, Any]:
    """Return for programs what the trials of a metric come to, and each of them."""
    return {**found.document(), "ratios": [trial.ratio for trial in found.trials]}


def _summary(found: Sequence[SameCode]) -> Table:
    columns = (
        Column("platform", "platform"), Column("metric", "metric"), Column("trials", "trials", unit="count"),
        Column("within", "differs by up to", unit="1", meaning="in 95 % of the trials, rounded up", essential=True),
        Column("different", "intervals without 1", unit="count", meaning="5 % are promised", essential=True),
        Column("alarms", "gates that fail", unit="count", meaning="with a threshold of 5 %"),
    )  # fmt: skip
    rows = [
        {
            "platform": one.platform, "metric": one.metric.name, "trials": len(one.trials), "within": one.within,
            "different": one.different, "alarms": one.alarms,
        }
        for one in found
    ]  # fmt: skip
    return Table("identical code", columns=columns, rows=rows)


def _tables(found: Sequence[SameCode]) -> Iterator[Table]:
    columns = (
        Column("trial", "trial"), Column("ratio", "new / base", meaning="both are the same code", essential=True),
        Column("sandboxes", "pairs", unit="count", meaning="of sandboxes that shared rounds"),
        Column("p", "p", meaning="of the test, not corrected"), Column("verdict", "verdict", essential=True),
    )  # fmt: skip
    for one in found:
        rows = [
            {
                "trial": _name(one, place), "ratio": trial.ratio, "sandboxes": trial.ratio.n,
                "p": f"{trial.p:.3f}", "verdict": str(trial.verdict),
            }
            for place, trial in enumerate(one.trials)
        ]  # fmt: skip
        yield Table(f"trials of {one.metric.name} on {one.platform}", columns=columns, rows=rows, caption=one.run)


def _figures(found: Sequence[SameCode]) -> Iterator[Figure]:
    for one in found:
        ratios = [trial.ratio for trial in one.trials]
        yield Figure(
            f"selftest-{one.platform}-{one.metric.name.replace('.', '-').replace('_', '-')}", "interval",
            title=f"Identical code against itself: {one.metric.name} on {one.platform}",
            x=Column("trial", "trial"), y=Column("ratio", "new / base"),
            series={"identical code": [(float(place), ratio.value or 1.0) for place, ratio in enumerate(ratios)]},
            categories=[_name(one, place) for place in range(len(ratios))],
            intervals={"identical code": [(ratio.low or 1.0, ratio.high or 1.0) for ratio in ratios]}, reference=1.0,
            samples={"identical code": sum(ratio.n for ratio in ratios)},
        )  # fmt: skip


def _name(found: SameCode, place: int) -> str:
    return f"trial {found.trials[place].levels.get(_TRIAL, place + 1)}"


def _findings(found: Sequence[SameCode]) -> Iterator[Finding]:
    if not found:
        yield Finding(_NONE, warning=True)
    for one in found:
        numbers = {"within": one.within, "different": one.different, "alarms": one.alarms, "trials": len(one.trials)}
        yield Finding(f"{one.platform}, {one.metric.name}: {one.largest}", numbers=numbers)
        if one.unsure:
            yield Finding(
                f"{one.platform}, {one.metric.name}: {one.different} of {len(one.trials)} intervals exclude that "
                "nothing changed, more than 5 % can by chance: something but the code differs between two functions "
                "here, and verdicts are less sure than they say",
                numbers={"different": one.different},
                warning=True,
            )
