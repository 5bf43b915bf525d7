"""What a network run says: distributions of round trips, by way and between sandboxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Figure,
    Finding,
    IntervalSettings,
    Method,
    Report,
    Table,
    about_runs,
)
from sebsx.reading.believed import believed
from sebsx.reading.blocks import Observations
from sebsx.reading.conditions import (
    Condition,
    caption,
    conditions,
    factors_of,
    identity_columns,
    label,
    level,
    name_of,
)
from sebsx.reading.doubts import about_conditions
from sebsx.reading.units import show
from sebsx.stats import ecdf
from sebsx_network.experiment import DOWNLOAD, UPLOAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.analyzers import Estimate
    from sebsx.contracts.runs import RunView

_ROUND_TRIP = "round trip"
# Levels that are of the way and not of the place, and the platform, which always stands first.
_OF_THE_WAY = frozenset({"benchmark", "path", "start", "size", "parameters", "platform"})
_COLUMNS = (
    Column("what", "what", meaning="round trip from the client, or one way to the storage and back"),
    Column("n", "n", unit="count", meaning="samples that count"),
    Column("median_s", "median", unit="s", meaning="of the sandboxes' medians"),
    Column("p90_s", "p90", unit="s"),
    Column("p99_s", "p99", unit="s"),
    Column("min_s", "min", unit="s", meaning="the fastest"),
    Column("sandboxes", "sandboxes", unit="count", meaning="different ones: the units of the interval"),
    Column("between", "between", unit="1", meaning="standard deviation of the logarithm of the times, by sandbox"),
    Column("within", "within", unit="1", meaning="the same within a sandbox"),
    Column("fastest_s", "fastest sandbox", unit="s", meaning="its median"),
    Column("slowest_s", "slowest sandbox", unit="s", meaning="its median"),
    Column("bytes_per_s", "MiB/s", meaning="size of the object by the median time; nothing for a round trip"),
)


_WAYS = Method(
    of="round trips and transfers",
    unit="the sandbox, whose value is the median of its round trips",
    interval="the interval is that of order statistics of the sandboxes, and "
    "what was not answered is later than all others",
    silent="the two ways apart, nor what the storage or the path adds",
    page="docs/methods/network.md",
)


@dataclass(frozen=True, slots=True)
class _Way:
    """The times of one way of one condition, with their sandboxes."""

    condition: Condition
    what: str
    metric: str
    times_s: Observations
    object_bytes: int | None

    def quantile(self, q: float, settings: IntervalSettings) -> Estimate:
        """Return a quantile of its times."""
        return believed(self.condition, self.metric, self.times_s, q, settings.confidence)


class NetworkAnalyzer(Analyzer[IntervalSettings]):
    """Medians with exact intervals, tails where the sample is large enough, and what differs between sandboxes."""

    name = "network"
    summary = "distributions of round trips from the client, and of transfers to the storage"
    Settings: ClassVar[type[Any]] = IntervalSettings

    def analyze(self, runs: Sequence[RunView], settings: IntervalSettings) -> Report:
        """Return the report of one or more runs."""
        found = conditions(runs, ("client_connected_s", "client_first_byte_s", "sandbox_id", UPLOAD, DOWNLOAD))
        identity = identity_columns(found)
        ways = [way for condition in found for way in _ways(condition) if len(way.times_s)]
        rows = [
            {**{column.key: level(way.condition, column.key) for column in identity}, **_row(way, settings)}
            for way in ways
        ]
        tables = (Table("round-trips", columns=(*identity, *_COLUMNS), rows=rows, caption=caption(found)),)
        findings = [
            *_said(ways, found, settings),
            *about_conditions(found),
            *_about_sandboxes(ways, found),
            *about_runs(runs),
        ]
        return Report(
            "Network",
            tables=tables if rows else (),
            figures=list(_figures(ways, found)),
            findings=findings,
            answers=list(_answers(ways, found, settings)),
            methods=[_WAYS],
        )


def _ways(condition: Condition) -> Iterator[_Way]:
    import numpy as np  # heavy

    frame = condition.counted
    if condition.identity.get("path") == "storage":
        cell = condition.cell
        size = cell.factors["parameters"].get("object_bytes") if cell else None
        for what, metric in (("upload", UPLOAD), ("download", DOWNLOAD)):
            times = frame[metric] if metric in frame else np.full(len(frame), np.nan)
            yield _Way(condition, what, metric, Observations.made(frame, times, condition.late), size)
        return
    connected, first_byte = frame["client_connected_s"], frame["client_first_byte_s"]
    times = first_byte - connected - frame["function.duration_s"]
    yield _Way(condition, _ROUND_TRIP, "client.latency_s", Observations.made(frame, times, condition.late), None)


def _row(way: _Way, settings: IntervalSettings) -> dict[str, Any]:
    medians, spread = way.times_s.medians, way.times_s.spread
    middle = way.quantile(0.5, settings)
    speed = way.object_bytes / middle.value / 2**20 if way.object_bytes and middle.value else None
    return {
        "what": way.what,
        "n": len(way.times_s),
        "median_s": middle,
        "p90_s": way.quantile(0.9, settings),
        "p99_s": way.quantile(0.99, settings),
        "min_s": float(way.times_s.values.min()),
        "sandboxes": way.times_s.count or None,
        "between": spread.between if spread else None,
        "within": spread.within if spread else None,
        "fastest_s": float(medians.min()) if way.times_s.told else None,
        "slowest_s": float(medians.max()) if way.times_s.told else None,
        "bytes_per_s": speed,
    }


def _said(ways: Sequence[_Way], found: Sequence[Condition], settings: IntervalSettings) -> Iterator[Finding]:
    """Yield all medians in one sentence."""
    parts, numbers = [], {}
    for way in ways:
        if way.condition.was_starved:
            continue
        estimate = way.quantile(0.5, settings)
        size = f" of {show(way.object_bytes, 'bytes')}" if way.object_bytes else ""
        where = f" ({label(way.condition, found)})" if len({each.run.id for each in found}) > 1 else ""
        platform = f" on {way.condition.identity['platform']}" if len(_platforms(found)) > 1 else ""
        parts.append(f"{way.what}{size}{platform}{where} {show(estimate, 's')}")
        numbers[f"{way.what}{size}{platform}{where}"] = estimate.value
    if parts:
        yield Finding(f"median of the {', '.join(parts)}, interval at {settings.confidence:.0%}", numbers=numbers)
    else:
        busy = " that was not starved of the processor" if ways else ""
        yield Finding(f"not enough data: no round trip was measured{busy}", warning=True)


def _answers(ways: Sequence[_Way], found: Sequence[Condition], settings: IntervalSettings) -> Iterator[str]:
    """Yield one sentence for each place that was measured: how long each way to it takes."""
    paths: dict[Any, list[Condition]] = {}
    for condition in found:
        paths.setdefault(condition.identity.get("path"), []).append(condition)
    told = {
        column.key
        for alike in paths.values()
        for column in identity_columns(alike, telling=False)
        if len({str(level(condition, column.key)) for condition in alike}) > 1
    }  # of ways that could be the same
    columns = [column.key for column in identity_columns(found) if column.key in told - _OF_THE_WAY]
    places: dict[str, list[str]] = {}
    for way in ways:
        place = name_of({key: level(way.condition, key) for key in ("platform", *columns)}, factors_of(found))
        said = places.setdefault(place, [])
        what = f"{way.what} of {show(way.object_bytes, 'bytes')}" if way.object_bytes else way.what
        if way.condition.was_starved:
            said.append(f"{what} not told, the machine was busy")
            continue
        tail = way.quantile(0.9, settings).value
        beyond = "" if tail is None else f" (p90 {show(tail, 's')})"
        said.append(f"{what} {show(way.quantile(0.5, settings), 's')}{beyond}")
    for place, said in places.items():
        yield f"{place}: {', '.join(said)}"


def _platforms(found: Sequence[Condition]) -> set[Any]:
    return {condition.identity["platform"] for condition in found}


def _about_sandboxes(ways: Sequence[_Way], found: Sequence[Condition]) -> Iterator[Finding]:
    for condition in found:
        name = label(condition, found)
        if condition.wrong_start:
            text = f"{name}: {condition.wrong_start} calls met a new sandbox and do not count"
            yield Finding(text, numbers={"count": condition.wrong_start}, warning=True)
        few = min(
            (way.times_s for way in ways if way.condition is condition), key=lambda times: times.count, default=None
        )
        if few is not None and few.caution:
            yield Finding(f"{name}: {few.caution}", numbers={"sandboxes": few.count}, warning=True)


def _figures(ways: Sequence[_Way], found: Sequence[Condition]) -> Iterator[Figure]:
    x, y = Column("time_s", "time", unit="s"), Column("share", "share", unit="1")
    for name, title, wanted in (
        ("round-trip-ecdf", "Round trips between client and sandbox", {_ROUND_TRIP}),
        ("storage-ecdf", "Transfers between sandbox and storage", {"upload", "download"}),
    ):
        curves = {
            f"{label(way.condition, found)} {way.what}": ecdf(way.times_s.values) for way in ways if way.what in wanted
        }
        if curves:
            samples = dict(zip(curves, (len(way.times_s) for way in ways if way.what in wanted), strict=True))
            yield Figure(name, "ecdf", title=title, x=x, y=y, series=curves, samples=samples)
