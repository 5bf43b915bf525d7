"""What an invocation-overhead run says: overhead by size, both ways apart, and how sure the clocks are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import median
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
from sebsx.reading.believed import quantile_of_units
from sebsx.reading.blocks import Observations, caution, in_sandboxes
from sebsx.reading.conditions import name_of
from sebsx.reading.starved import about_starved
from sebsx.reading.units import scale, show
from sebsx.stats import LEAST_BLOCKS
from sebsx_invocation_overhead.series import (
    SizeCell,
    SizeSeries,
    cells_of,
    observed,
    series_of,
    size_of,
    uncertainty_s_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.stats import Interval, LineFit
    from sebsx_invocation_overhead.windows import Sample

_MIB = 2**20
# What tells conditions from each other, before sweep and start type.
_IDENTITY = (
    Column("run", "run"),
    Column("platform", "platform"),
    Column("region", "region"),
    Column("architecture", "architecture"),
    Column("memory_mib", "MiB", meaning="memory as the platform reports it"),
)
_OVERHEAD = (
    Column("sweep", "sweep", meaning="what was made larger"),
    Column("bytes", "size", unit="bytes", meaning="of the payload or the package, as sent or deployed"),
    Column("start", "start"),
    Column("n", "n", unit="count", meaning="samples that count"),
    Column("sandboxes", "sandboxes", unit="count", meaning="that they came from: the units of the intervals"),
    Column(
        "outbound_s",
        "outbound",
        unit="s",
        meaning="median over sandboxes from send to the start of the handler; interval with the clocks'",
    ),
    Column(
        "return_s",
        "return",
        unit="s",
        meaning="median over sandboxes from the end of the handler to the answer; interval with the clocks'",
    ),
    Column(
        "uncertainty_s",
        "clocks",
        unit="s",
        meaning="largest error that the clocks may add to one and take from the other",
    ),
)
_FITS = (
    Column("sweep", "sweep"),
    Column("start", "start"),
    Column("n", "n", unit="count", meaning="medians of a sandbox at a size, through which the line goes"),
    Column("rounds", "rounds", unit="count", meaning="that share no sandbox: the units of the intervals"),
    Column("intercept_s", "at size 0", unit="s", meaning="the line's value there; interval with the clocks'"),
    Column("slope_s", "per MiB", unit="s", meaning="what a MiB adds; what the clocks do to all sizes alike cancels"),
    Column("r_squared", "R^2", meaning="share of the variance that the line explains"),
    Column("adjusted_r_squared", "adjusted R^2"),
)
_CLOCKS = (
    Column("sweep", "sweep"),
    Column("start", "start"),
    Column("alignments", "alignments", unit="count", meaning="sandboxes aligned, once for each window"),
    Column("method", "method", meaning="how: by the shortest exchange, or by a hull where the window was long"),
    Column("exchanges", "exchanges", meaning="median number for an alignment"),
    Column("settled", "settled", unit="count", meaning="fewest exchanges that followed the shortest one"),
    Column("rtt_s", "shortest", unit="s", meaning="median of the shortest round trips"),
    Column("drift_ppm", "drift ppm", meaning="median over the windows that were long enough to tell"),
    Column("lost", "lost", unit="count", meaning="exchanges that failed or met another sandbox"),
    Column("discarded", "discarded", unit="count", meaning="measured calls that do not count"),
)


_METHODS = (
    Method(
        of="outbound and return times",
        unit="the sandbox",
        interval="the interval is that of the sandboxes' medians, wider by what the clocks may add to one way and take "
        "from the other, and what was not answered is later than all others",
        silent="how unequal the two ways are beyond that",
        page="docs/methods/invocation-overhead.md",
    ),
    Method(
        of="lines by size",
        unit="the round, or rounds that a sandbox joins",
        interval="the intervals are those of the lines with each round left out (jackknife, Student)",
        silent="sizes beyond those measured, nor a bend between them",
        page="docs/methods/invocation-overhead.md",
    ),
)


class InvocationOverheadAnalyzer(Analyzer[IntervalSettings]):
    """Overhead by size with both intervals, the lines, the clocks, and what had to be left out."""

    name = "invocation-overhead"
    summary = "time to the start of the handler by payload and package size, with a line and its intervals"
    Settings: ClassVar[type[Any]] = IntervalSettings

    def analyze(self, runs: Sequence[RunView], settings: IntervalSettings) -> Report:
        """Return the report of one or more runs."""
        found = [cell for view in runs for cell in cells_of(view)]
        telling = [column for column in _IDENTITY if len({cell.identity[column.key] for cell in found}) > 1]
        series = series_of(found)

        def named(each: SizeSeries) -> dict[str, Any]:
            return {column.key: each.identity[column.key] for column in telling}

        hidden = [column.key for column in _IDENTITY if column not in telling and column.key != "run"]
        shared = {key: found[0].identity[key] for key in hidden} if found else {}
        rows = [{**named(each), **_overhead(cell, settings.confidence)} for each in series for cell in each.cells]
        fits = [{**named(each), **_fit(each, settings.confidence)} for each in series]
        clocks = [{**named(each), **_clocks(each)} for each in series]
        tables = (
            Table("overhead", columns=(*telling, *_OVERHEAD), rows=rows, caption=name_of(shared)),
            Table("fits", columns=(*telling, *_FITS), rows=fits, caption="lines through the medians of all sandboxes"),
            Table(
                "clocks",
                columns=(*telling, *_CLOCKS),
                rows=clocks,
                caption="how the clocks of driver and sandbox were aligned",
            ),
        )
        sizes = [(each, cell) for each in series for cell in each.cells]
        starved = about_starved(
            [f"{_title(each, named)} of {show(cell.bytes, 'bytes')}" for each, cell in sizes],
            [cell.starved for _, cell in sizes],
            "left out of lines and answers",
        )
        findings = [
            *_said(series, named, settings.confidence), *starved, *_about_samples(series, named), *about_runs(runs),
        ]  # fmt: skip
        return Report(
            "Invocation overhead",
            tables=tables if found else (),
            figures=list(_figures(series, named, settings.confidence)),
            findings=findings,
            answers=list(_answers(series, named, settings.confidence)),
            methods=_METHODS,
        )


def _overhead(cell: SizeCell, confidence: float) -> dict[str, Any]:
    samples = cell.window.samples
    return {
        "sweep": cell.sweep,
        "bytes": cell.bytes,
        "start": cell.start,
        "n": len(samples),
        "sandboxes": observed(cell).count,
        "outbound_s": _widened(observed(cell), samples, confidence),
        "return_s": _widened(observed(cell, "return_s"), samples, confidence),
        "uncertainty_s": uncertainty_s_of(samples),
    }


def _widened(values: Observations, samples: Sequence[Sample], confidence: float) -> Estimate:
    """Return a median whose interval holds for the sampling and for the clocks together; nothing takes less than 0."""
    found = quantile_of_units(values, 0.5, confidence)
    by = uncertainty_s_of(samples)
    if found.value is None or found.low is None or found.high is None or by is None:
        return found
    return replace(found, low=min(found.value, max(0.0, found.low - by)), high=found.high + by)


def _fit(each: SizeSeries, confidence: float) -> dict[str, Any]:
    line = each.fit(confidence)
    row: dict[str, Any] = {"sweep": each.sweep, "start": each.start}
    if line is None:
        usable = "" if len(each.usable) == len(each.cells) else " that were not starved and mostly answered"
        none = Estimate(None, n=len(each.points), note=f"too few samples or sizes{usable}")
        return {
            **row, "n": len(each.points), "rounds": None, "intercept_s": none, "slope_s": none, "r_squared": None,
            "adjusted_r_squared": None,
        }  # fmt: skip
    clocks = uncertainty_s_of(each.samples) or 0.0
    return {
        **row,
        "n": line.n,
        "rounds": line.blocks,
        "intercept_s": _of_line(line, line.intercept, line.intercept_interval, confidence, clocks),
        "slope_s": _of_line(line, line.slope, line.slope_interval, confidence, factor=_MIB),
        "r_squared": line.r_squared,
        "adjusted_r_squared": line.adjusted_r_squared,
    }


def _of_line(
    line: LineFit, value: float, interval: Interval | None, confidence: float, clocks: float = 0.0, factor: float = 1.0
) -> Estimate:
    """Return a number of a line with its interval, which the clocks widen, or why it has none."""
    found = Estimate(value * factor, confidence=confidence, n=line.n, blocks=line.blocks)
    if interval is None:
        return replace(found, note=in_sandboxes(line.blocks))
    return replace(found, low=(interval.low - clocks) * factor, high=(interval.high + clocks) * factor)


def _clocks(each: SizeSeries) -> dict[str, Any]:
    windows = [cell.window for cell in each.cells]
    alignments = [alignment for window in windows for alignment in window.alignments]
    drifts = [alignment.drift_ppm for alignment in alignments if alignment.drift_ppm is not None]
    settled = [window.settled for window in windows if window.settled is not None]
    return {
        "sweep": each.sweep,
        "start": each.start,
        "alignments": len(alignments),
        "method": ", ".join(sorted({alignment.method for alignment in alignments})),
        "exchanges": median(alignment.exchanges for alignment in alignments) if alignments else None,
        "settled": min(settled, default=None),
        "rtt_s": median(alignment.rtt_s for alignment in alignments) if alignments else None,
        "drift_ppm": median(drifts) if drifts else None,
        "lost": sum(window.lost for window in windows),
        "discarded": sum(window.discarded.total() for window in windows),
    }


def _said(series: Sequence[SizeSeries], named: Any, confidence: float) -> Iterator[Finding]:
    """Yield one sentence for each condition: what it costs to reach the handler, and what size adds."""
    groups: dict[str, list[SizeSeries]] = defaultdict(list)
    for each in series:
        groups[name_of(named(each))].append(each)
    for name, members in groups.items():
        numbers: dict[str, Any] = {}
        parts = [words for each in members if (words := _words(each, confidence, numbers))]
        if parts:
            where = f"{name}: " if name else ""
            yield Finding(f"{where}invocation overhead is {'; '.join(parts)}", numbers=numbers)
        else:
            text = f"{name or 'this run'}: not enough data for an overhead{_busy(members)}"
            yield Finding(text, warning=True)


def _busy(members: Sequence[SizeSeries]) -> str:
    """Return in words why samples that there are do not count; empty where there are none."""
    reached = any(cell.reached for each in members for cell in each.cells)
    if not any(each.samples for each in members):
        return ""
    return ": all sizes were starved of the processor" if reached else ": most calls were not answered"


def _answers(series: Sequence[SizeSeries], named: Any, confidence: float) -> Iterator[str]:
    """Yield one sentence for each condition: how long a call takes to reach its handler, and what a MiB adds."""
    groups: dict[str, list[SizeSeries]] = defaultdict(list)
    for each in series:
        groups[name_of({"platform": each.identity["platform"], **named(each)})].append(each)
    for name, members in groups.items():
        reached: dict[str, list[str]] = {}
        told: set[str] = set()
        adds: dict[str, list[str]] = {}
        for each in members:
            first = each.first
            if first is None:
                continue
            outbound_s = _overhead(first, confidence)["outbound_s"].value
            if each.start not in told:
                told.add(each.start)
                size = f"a {each.sweep} of {show(first.bytes, 'bytes')}"
                reached.setdefault(size, []).append(f"{show(outbound_s, 's')} {each.start}")
            slope: Estimate = _fit(each, confidence)["slope_s"]
            if slope.value is not None:
                known = slope.low is None or slope.low > 0
                more = show(replace(slope, low=None, high=None), "s") if known else "nothing that differs from 0"
                adds.setdefault(each.sweep, []).append(f"{more} {each.start}")
        if reached:
            said = [
                f"with {size} a call reaches its handler after {', '.join(words)}" for size, words in reached.items()
            ]
            said += [f"a MiB of {sweep} adds {', '.join(words)}" for sweep, words in adds.items()]
            yield f"{name}: {'; '.join(said)}"
        else:
            yield f"{name}: no call tells how long it takes to reach the handler{_busy(members)}"


def _words(each: SizeSeries, confidence: float, numbers: dict[str, Any]) -> str:
    first = each.first
    if first is None:
        return ""
    at = _overhead(first, confidence)["outbound_s"]
    key = f"{each.sweep}.{each.start}"
    numbers[f"{key}.outbound_s"] = at.value
    text = f"{each.start} {_between(at)} with a {each.sweep} of {show(first.bytes, 'bytes')}"
    line = each.fit(confidence)
    if line is None:
        return text
    numbers |= {f"{key}.slope_s_per_byte": line.slope, f"{key}.adjusted_r_squared": line.adjusted_r_squared}
    slope: Estimate = _fit(each, confidence)["slope_s"]
    return f"{text}, and a MiB adds {_between(slope)} (adjusted R^2 {line.adjusted_r_squared:.2f}, n = {line.n})"


def _between(estimate: Estimate) -> str:
    """Return `12 ms [11, 13]`, of which the ends are in the unit of the value."""
    assert estimate.value is not None
    unit, name = scale(estimate.value, "s")
    text = f"{estimate.value / unit:.3g} {name}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low / unit:.3g}, {estimate.high / unit:.3g}]"


def _title(each: SizeSeries, named: Any) -> str:
    return " ".join(word for word in (name_of(named(each)), each.sweep, each.start) if word)


def _about_samples(series: Sequence[SizeSeries], named: Any) -> Iterator[Finding]:
    for each in series:
        name = _title(each, named)
        discarded: dict[str, int] = defaultdict(int)
        for cell in each.cells:
            for reason, count in cell.window.discarded.items():
                discarded[reason] += count
        for reason, count in sorted(discarded.items()):
            text = f"{name}: {count} of {count + len(each.points)} measured calls were left out: {reason}"
            yield Finding(text, numbers={"count": count, "reason": reason}, warning=True)
        served = [seen for cell in each.cells if len(seen := observed(cell))]
        fewest = min((seen.count for seen in served if not seen.singles), default=LEAST_BLOCKS)
        if said := caution(fewest):
            yield Finding(f"{name}: {said}", numbers={"sandboxes": fewest}, warning=True)
        lost = sum(cell.window.lost for cell in each.cells)
        if lost:
            yield Finding(
                f"{name}: {lost} exchanges failed or met another sandbox", numbers={"count": lost}, warning=True
            )


def _figures(series: Sequence[SizeSeries], named: Any, confidence: float) -> Iterator[Figure]:
    for sweep in dict.fromkeys(each.sweep for each in series):
        shown = {
            " ".join(word for word in (name_of(named(each)), each.start) if word): each
            for each in series
            if each.sweep == sweep and each.points
        }
        if not shown:
            continue
        x, y = Column("bytes", f"size of the {sweep}", unit="bytes"), Column("outbound_s", "outbound", unit="s")
        points = {name: each.points for name, each in shown.items()}
        counts = {name: len(each) for name, each in points.items()}
        yield Figure(
            f"overhead-{sweep}", "scatter", title=f"Overhead against {sweep} size", x=x, y=y, series=points,
            samples=counts,
        )  # fmt: skip
        lines = {}
        for name, each in shown.items():
            if line := each.fit(confidence):
                ends = sorted({size_of(cell, sample) for cell in each.usable for sample in cell.window.samples})
                lines[name] = [(place, line(place)) for place in (ends[0], ends[-1])]
        if lines:
            yield Figure(
                f"line-{sweep}", "line", title=f"Lines of the overhead against {sweep} size", x=x, y=y, series=lines,
                samples={name: counts[name] for name in lines},
            )  # fmt: skip
