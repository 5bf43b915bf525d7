"""Where the time of an invocation went: client, connect, network, provider, initialisation, handler, phases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Figure, Finding
from sebsx.model.meaning import SUBJECT
from sebsx.reading.subjects import subject_share
from sebsx.reading.units import show
from sebsx.stats import TooFewSamplesError, median, order_statistic_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.model.frame import Frame, Mask, Numbers
    from sebsx.reading.conditions import Condition

PARTS = (
    Column("connect_s", "connect", unit="s", meaning="median of name look-up, TCP and TLS"),
    Column(
        "network_s", "network", unit="s", meaning="median of the latency minus connecting and what the provider reports"
    ),
    Column("init_s", "init", unit="s", meaning="median initialisation, as the provider reports it"),
    Column("provider_s", "provider", unit="s", meaning="median of the provider's duration minus the handler's"),
    Column("function_s", "handler", unit="s", meaning="median time in the handler"),
)
CLIENT = Column(
    "client_s", "client", unit="s", meaning="median wait in the client before it sent; not part of the latency"
)
# Parts that together differ from the whole by more than this share are told.
_TOLERANCE = 0.05
# From where on calls are two groups: standard deviations between them, share of all and calls in the smaller one.
_APART, _SMALLER_GROUP, _LEAST_OF_A_GROUP = 5.0, 0.1, 3


SUBJECT_PARTS = (
    Column("subject_s", "named work", unit="s", meaning="median time in the phases that the benchmark is named for"),
    Column("subject_share", "of handler", unit="1", meaning="median share of the handler's time that these took"),
)
PHASES = Column("phases", "phases", meaning="medians of the phases that the handler marked")


def phase_title(name: str) -> str:
    """Return what a phase is called: `phase.compute_s` is `compute`."""
    return name.removeprefix("phase.").removesuffix("_s")


@dataclass(frozen=True)
class Breakdown:
    """The parts of the latencies that count of one condition, an array each; NaN where nothing is known.

    Connecting, network, initialisation, provider and handler add up to the latency of each invocation, and the phases
    to no more than the handler. What the clocks of two hosts show is never subtracted, only durations are.
    """

    frame: Frame

    @cached_property
    def parts(self) -> Mapping[str, Numbers]:
        """The parts by name: those of the client, provider and function, then the phases."""
        import numpy as np  # heavy

        frame = self.frame
        latency, provider = frame["client.latency_s"], frame["provider.duration_s"]
        function, init = frame["function.duration_s"], frame["provider.init_s"]
        inside = np.where(np.isnan(provider), function, provider)  # what is known of the sandbox's side
        connect = frame["client.connect_s"]
        outside = latency - inside - np.nan_to_num(init) - np.nan_to_num(connect)
        return {
            "client_s": frame["client.response_s"] - latency,
            "connect_s": connect,
            "network_s": outside,
            "init_s": init,
            "provider_s": provider - function,
            "function_s": function,
            **{name: frame[name] for name in self.phases},
        }

    @property
    def phases(self) -> list[str]:
        """The phases that the function marked in any of these invocations."""
        import numpy as np  # heavy

        names = [name for name in self.frame.names if name.startswith("phase.")]
        return [name for name in names if not bool(np.isnan(self.frame[name]).all())]

    def median(self, name: str) -> float | None:
        """Return the median of a part over the invocations of which it is known; None where it is of none."""
        import numpy as np  # heavy

        values = self.parts[name]
        known = values[~np.isnan(values)]
        return float(np.median(known)) if len(known) else None

    def stack(self) -> dict[str, float]:
        """Return what stands on each other in a bar: medians over all invocations, the phases in place of the handler.

        A part that an invocation does not have counts as 0 there, so that the parts can add up.
        """
        import numpy as np  # heavy

        parts = {column.key: float(np.median(np.nan_to_num(self.parts[column.key]))) for column in PARTS}
        phases = {name: float(np.median(np.nan_to_num(self.parts[name]))) for name in self.phases}
        rest = parts["function_s"] - sum(phases.values())
        return {**parts, **phases, "function_s": rest} if phases and rest >= 0 else parts


def breakdown_row(found: Breakdown) -> dict[str, Any]:
    """Return the medians of the parts, and those of the phases in words too: each benchmark has others."""
    medians = {name: found.median(name) for name in found.parts}
    words = (f"{phase_title(name)} {show(medians[name], 's')}" for name in found.phases)
    share = subject_share(found.frame)
    subject_s = None if share is None else median(found.frame.known(SUBJECT).tolist())
    subject = {"subject_s": subject_s, "subject_share": share}
    return {**medians, **subject, PHASES.key: ", ".join(words)}


def about_parts(name: str, found: Breakdown, confidence: float) -> Iterator[Finding]:
    """Yield what is wrong with the parts of a condition: negative ones, and sums that are not the whole."""
    import numpy as np  # heavy

    for part, values in found.parts.items():
        n, negative = int((~np.isnan(values)).sum()), int((values < 0).sum())
        if negative:
            text = (
                f"{name}: {part.removesuffix('_s')} time is negative in {negative} of {n}: "
                "the clocks of function, provider and client do not fit together"
            )
            yield Finding(text, numbers={"part": part, "negative": negative, "n": n}, warning=True)
    function = found.parts["function_s"]
    if found.phases:
        inside = sum(np.nan_to_num(found.parts[phase]) for phase in found.phases)
        over, n = int((inside > function * (1 + _TOLERANCE)).sum()), len(function)
        if over:
            text = (
                f"{name}: the phases take more than 5 % longer than the handler in {over} of {n}: "
                "they overlap, or one lies in another"
            )
            yield Finding(text, numbers={"over": over, "n": n}, warning=True)
    latency = found.frame["client.latency_s"]
    if not len(latency) or np.isnan(function).all():
        return
    whole, total = float(np.median(latency)), sum(found.stack().values())
    cut = _cut(latency)
    if cut is None or abs(total - whole) <= _TOLERANCE * whole or _may_be_median(latency, total, confidence):
        return
    slow = latency > cut
    groups = [(int(mine.sum()), float(np.median(latency[mine]))) for mine in (~slow, slow)]
    (few, low_s), (many, high_s) = groups
    text = (
        f"{name}: there are two groups of calls, {few} of about {show(low_s, 's')} and {many} of about "
        f"{show(high_s, 's')}, which differ most in {_differing(found, slow)}: the medians of the parts add up to "
        f"{show(total, 's')}, that of the latency is {show(whole, 's')}, and neither is a typical call"
    )
    yield Finding(text, numbers={"parts_s": total, "median_s": whole, "groups": groups}, warning=True)


def _cut(latency: Numbers) -> float | None:
    """Return the latency that parts calls into two groups; None where they are one, however wide.

    The cut is that of the least variance within (Otsu, A Threshold Selection Method from Gray-Level Histograms, 1979),
    of logarithms. Two halves of one group lie up to 3.5 of their standard deviations apart (of a uniform one), so that
    it counts from 5 on (Ashman, Bird & Zepf, Detecting Bimodality in Astronomical Datasets, 1994), with a tenth of all
    calls in the smaller group.
    """
    import numpy as np  # heavy

    ordered = np.log(np.sort(latency[latency > 0]))
    n = len(ordered)
    if n < _LEAST_OF_A_GROUP / _SMALLER_GROUP:
        return None
    counts, sums = np.arange(1, n), np.cumsum(ordered)
    apart = sums[:-1] / counts - (sums[-1] - sums[:-1]) / (n - counts)
    cut = int(np.argmax(counts * (n - counts) * apart**2)) + 1
    low, high = ordered[:cut], ordered[cut:]
    spread = float(np.sqrt((low.var() + high.var()) / 2))
    if min(len(low), len(high)) < _SMALLER_GROUP * n or not high.mean() - low.mean() > _APART * spread:
        return None
    return float(np.exp((low[-1] + high[0]) / 2))


def _differing(found: Breakdown, slow: Mask) -> str:
    """Return the part whose medians differ most between two groups."""
    import numpy as np  # heavy

    titles = {column.key: column.title for column in PARTS}
    medians = {
        titles[key]: [float(np.median(np.nan_to_num(found.parts[key][mine]))) for mine in (~slow, slow)]
        for key in titles
    }
    return max(medians, key=lambda title: abs(medians[title][1] - medians[title][0]))


def _may_be_median(latency: Numbers, total: float, confidence: float) -> bool:
    """Whether the true median may be `total`: then the difference is one of few or scattered samples."""
    try:
        interval = order_statistic_interval(latency, confidence)
    except TooFewSamplesError:
        return True
    return interval.low <= total <= interval.high


def breakdown_figure(found: Sequence[tuple[str, Condition, Breakdown]]) -> Iterator[Figure]:
    """Yield stacked bars of the parts, one for each condition."""
    bars = [(name, breakdown.stack()) for name, condition, breakdown in found if len(condition.counted)]
    keys = [column.key for column in PARTS[:-1]]
    keys += dict.fromkeys(key for _, stack in bars for key in stack if key.startswith("phase."))
    titles = {column.key: column.title for column in PARTS}
    series = {
        titles.get(key) or f"phase {phase_title(key)}": [
            (float(place), stack.get(key, 0.0)) for place, (_, stack) in enumerate(bars)
        ]
        for key in (*keys, "function_s")
    }
    kept = {title: points for title, points in series.items() if any(value for _, value in points)}
    if kept:
        yield Figure(
            "breakdown",
            "stacked",
            title="Where the time of an invocation goes (medians)",
            x=Column("condition", "condition"),
            y=Column("part_s", "median", unit="s"),
            series=kept,
            categories=[name for name, _ in bars],
            samples=dict.fromkeys(kept, sum(len(condition.counted) for _, condition, _ in found)),
        )
