"""What a run of hot-start says: round trips by payload, and how far each platform is from a polling sandbox."""

from __future__ import annotations

import json
from collections import defaultdict
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
    caption,
    conditions,
    factors_of,
    identity_columns,
    level,
    name_of,
)
from sebsx.reading.doubts import about_conditions
from sebsx.reading.units import show
from sebsx_hot_start.experiment import HOT, SERIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.analyzers import Estimate
    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition

_LATENCY = "client.latency_s"
_COLUMNS = (
    Column("median_s", "median", unit="s", meaning="of the sandboxes' medians", essential=True),
    Column("p99_s", "p99", unit="s"),
    Column("min_s", "min", unit="s", meaning="the fastest"),
    Column("distance_s", "above hot", unit="s", meaning="median above that of the quickest polling sandbox"),
    Column("times", "times hot", meaning="median over that of the quickest polling sandbox", essential=True),
    Column("n", "n", unit="count"),
    Column("sandboxes", "sandboxes", unit="count", meaning="the units of the interval"),
)
_METHOD = Method(
    of="round trips of a payload",
    unit="the sandbox, whose value is the median of its exchanges or calls",
    interval="the interval is that of order statistics of the sandboxes, and "
    "what was not answered is later than all others",
    silent="what a network between client and sandbox adds: polling is on one machine",
    page="docs/methods/hot-start.md",
)


@dataclass(frozen=True, slots=True)
class _Trips:
    """Round trips of one condition."""

    condition: Condition
    times: Observations
    median: Estimate

    @property
    def payload(self) -> Any:
        return self.condition.identity.get("payload_bytes")

    @property
    def typical_s(self) -> float | None:
        return self.median.value

    @property
    def hot(self) -> bool:
        return bool(self.condition.wanted == HOT)


class HotStartAnalyzer(Analyzer[IntervalSettings]):
    """Round trips by payload of polling, warm and cold sandboxes, and the distance from the first."""

    name = "hot-start"
    summary = "how far each platform is from the quickest invocation that this machine can make"
    Settings: ClassVar[type[Any]] = IntervalSettings

    def analyze(self, runs: Sequence[RunView], settings: IntervalSettings) -> Report:
        """Return the report of one or more runs; the bound is the quickest polling sandbox of all."""
        found = conditions(runs)
        series = {view.run.id: _series(view) for view in runs}
        trips = []
        for each in found:
            times = _times(each, series)
            if len(times):
                trips.append(_Trips(each, times, believed(each, _LATENCY, times, 0.5, settings.confidence)))
        bound = _bounds(trips)
        none = [] if trips else [Finding("not enough data: nothing came back", warning=True)]
        return Report(
            "Hot start",
            tables=[_table(trips, bound, settings)] if trips else [],
            figures=list(_drawn(trips)),
            findings=[*none, *_without(trips, bound), *about_conditions(found), *about_runs(runs)],
            answers=list(_answers(trips, bound)),
            methods=[_METHOD] if trips else [],
        )


def _series(view: RunView) -> dict[int, list[tuple[int, float]]]:
    """Return of each cell (round, time) of every exchange; a round has one polling sandbox."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for value in view.values():
        if value.metric == SERIES and value.cell_id is not None and value.text:
            told = json.loads(value.text)
            found[value.cell_id] += [(told["round"], time_s) for time_s in told["t_s"]]
    return found


def _times(condition: Condition, series: dict[str, dict[int, list[tuple[int, float]]]]) -> Observations:
    if condition.wanted == HOT and condition.cell is not None:
        pairs = series[condition.run.id].get(condition.cell.id, [])
        numbers = [number for number, _ in pairs]
        return Observations.listed([time_s for _, time_s in pairs], numbers, late=_unheard(condition, numbers))
    return condition.observed(_LATENCY)


def _unheard(condition: Condition, numbers: Sequence[int]) -> list[float]:
    """Return the round of each exchange that was not answered: a sandbox that gave none would have given as many."""
    heard = set(numbers)
    unheard = [float(number) for number in condition.frame["round"] if number not in heard]
    return unheard * (len(numbers) // len(heard) if heard else 1)


def _bounds(trips: Sequence[_Trips]) -> dict[Any, _Trips]:
    """Return for each payload the quickest polling: who waits for a processor is slower, and never too quick."""
    found: dict[Any, _Trips] = {}
    for each in sorted(trips, key=lambda each: each.typical_s or 0.0):
        if each.hot and each.typical_s:
            found.setdefault(each.payload, each)
    return found


def _table(trips: Sequence[_Trips], bound: dict[Any, _Trips], settings: IntervalSettings) -> Table:
    among = [each.condition for each in trips]
    identity = identity_columns(among)
    rows = []
    for each in trips:
        least, middle = bound[each.payload].typical_s if each.payload in bound else None, each.typical_s
        rows.append(
            {
                **{column.key: level(each.condition, column.key) for column in identity},
                "median_s": each.median,
                "p99_s": believed(each.condition, _LATENCY, each.times, 0.99, settings.confidence),
                "min_s": float(each.times.values.min()),
                "distance_s": None if least is None or middle is None else middle - least,
                "times": None if not least or middle is None else middle / least,
                "n": len(each.times),
                "sandboxes": each.times.count or None,
            }
        )
    return Table("round-trips", columns=(*identity, *_COLUMNS), rows=rows, caption=caption(among))


def _answers(trips: Sequence[_Trips], bound: dict[Any, _Trips]) -> Iterator[str]:
    """Yield for each payload the bound and how far all others are from it; what was starved is left out."""
    for payload, quickest in sorted(bound.items(), key=lambda pair: str(pair[0]).zfill(12)):
        size = show(payload, "bytes") if isinstance(payload, int) else str(payload)
        least = quickest.typical_s
        if quickest.condition.was_starved or least is None:
            yield f"{size}: no bound is known, its polling sandboxes were starved; measure on a machine with less to do"
            continue
        said = []
        for each in trips:
            if each.payload == payload and not each.hot and each.typical_s and not each.condition.was_starved:
                place = name_of({key: level(each.condition, key) for key in ("platform", "start")})
                said.append(f"{place} {show(each.typical_s, 's')} ({_times_of(each.typical_s / least)})")
        beside = f"; {', '.join(said)}" if said else ""
        yield f"{size} to a polling sandbox and back {show(least, 's')}{beside}"


def _times_of(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 100 else f"{ratio:.3g} times"


def _without(trips: Sequence[_Trips], bound: dict[Any, _Trips]) -> Iterator[Finding]:
    if trips and not bound:
        yield Finding("no sandbox polled: there is no bound to hold platforms against (--platform local)", warning=True)


def _drawn(trips: Sequence[_Trips]) -> Iterator[Figure]:
    known = [each for each in trips if isinstance(each.payload, int) and each.median.value]
    if not known:
        return
    among = [each.condition for each in known]
    told = [column.key for column in identity_columns(among) if column.key not in ("payload_bytes", "benchmark")]
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    samples: dict[str, int] = defaultdict(int)
    for each in sorted(known, key=lambda each: each.payload):
        name = name_of({key: level(each.condition, key) for key in told}, factors_of(among)) or "round trip"
        series[name].append((float(each.payload), each.median.value or 0.0))
        samples[name] += len(each.times)
    yield Figure(
        "round-trip-by-payload", "line", title="Round trip by payload", x=Column("payload", "payload", unit="bytes"),
        y=Column("median_s", "median", unit="s"), series=series, samples=samples, log="xy",
    )  # fmt: skip
