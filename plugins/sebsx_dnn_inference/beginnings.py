"""What a cold start is made of: whether its parts add up, what ways to load cost in all, and what texts change."""

from __future__ import annotations

import json
from bisect import bisect
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Figure, Finding, Table
from sebsx.reading.conditions import label
from sebsx.stats import LEAST_BLOCKS, median, median_ratio_interval
from sebsx_dnn_inference import served
from sebsx_dnn_inference.findings import DEFAULT, all_but

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition
    from sebsx_dnn_inference.served import Served

_UNEXPLAINED = 0.05  # of a first call, which its parts may miss
_PARTS = (served.LIBRARY, served.DOWNLOAD, served.LOAD, served.PREPARE, served.INFERENCE)
_TEXTS = 2  # sizes that make a line
_SERIES = "memory-series.series"
_MOST_LINES = 8  # that can be told apart
_LOADING = (
    Column("model", "model"),
    Column("engine", "engine"),
    Column("platform", "platform"),
    Column("memory_mib", "memory", unit="MiB"),
    Column("load_s", "loading", unit="s", essential=True),
    Column("first_s", "first inference", unit="s", meaning="which also does what loading put off", essential=True),
    Column("both_s", "together", unit="s", meaning="median of the sums of each sandbox", essential=True),
    Column("later_s", "later inference", unit="s"),
    Column("private_bytes", "private memory", unit="bytes", meaning="peak in the first inference, memory-series alone"),
)


def unexplained(known: Sequence[Served], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning for each condition whose first calls are not the sum of their parts within a twentieth."""
    for each in known:
        shares = _explained(each)
        if shares and abs(1 - median(shares)) > _UNEXPLAINED:
            text = f"{label(each.condition, found)}: the parts of first calls add up to {median(shares):.0%} of them"
            yield Finding(f"{text}; the rest is not explained", numbers={"explained": median(shares)}, warning=True)


def _explained(each: Served) -> list[float]:
    """Return by first call which share of it its parts are."""
    first = each.first
    if "function.duration_s" not in first:
        return []
    wholes = first["function.duration_s"]
    parts = [first[name] for name in _PARTS if name in first]
    if not parts:
        return []
    sums = [sum(value for value in row if value == value) for row in zip(*parts, strict=True)]  # NaN: not told
    return [part / whole for part, whole in zip(sums, wholes, strict=True) if whole > 0]


def loading(known: Sequence[Served]) -> tuple[Table | None, list[Finding]]:
    """Return the ways to load a model side by side, None where there is one only, with what each gains in all.

    What loading leaves undone the first inference does, so that the sum of the two is compared.
    """
    groups: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in known:
        if each.engine.partition("-")[0] == DEFAULT:  # one engine, which loads in several ways
            groups[all_but(each, "optimizer")].append(each)
    rows, said = [], []
    for members in groups.values():
        if len(members) < 2:
            continue
        rows += [_row(each) for each in members]
        base = next((each for each in members if each.engine == DEFAULT), None)
        said += [_gain(each, base) for each in members if base is not None and each is not base and _sums(each)]
    note = "medians of first calls; one engine that loads in several ways"
    return (Table("loading", columns=_LOADING, rows=rows, caption=note) if rows else None), said


def _row(each: Served) -> dict[str, Any]:
    sums = _sums(each)
    private = each.first.known(served.PRIVATE) if served.PRIVATE in each.first else ()
    return {
        "model": each.model,
        "engine": each.engine,
        "platform": each.condition.identity["platform"],
        "memory_mib": each.memory_mib,
        "load_s": each.cold(served.LOAD),
        "first_s": each.cold(served.INFERENCE),
        "both_s": median(sums) if sums else None,
        "later_s": each.latency_s,
        "private_bytes": median(private) if len(private) else None,
    }


def _sums(each: Served) -> list[float]:
    """Return by sandbox how long loading and the first inference took together."""
    first = each.first
    if served.LOAD not in first or served.INFERENCE not in first:
        return []
    pairs = zip(first[served.LOAD], first[served.INFERENCE], strict=True)
    return [float(one + other) for one, other in pairs if one + other > 0]


def _gain(each: Served, base: Served) -> Finding:
    mine, theirs = _sums(each), _sums(base)
    numbers: dict[str, Any] = {}
    text = f"{each.model} on {each.condition.identity['platform']}: {each.engine}"
    loads = [other.cold(served.LOAD).value for other in (each, base)]
    if loads[0] and loads[1]:
        text += f" loads in {loads[0] / loads[1]:.2f} of the time of {base.engine};"
        numbers["load"] = loads[0] / loads[1]
    if min(len(mine), len(theirs)) >= LEAST_BLOCKS:
        ratio, interval = median_ratio_interval(mine, theirs, each.confidence)
        text += f" with the first inference it takes {ratio:.2f} ({interval.low:.2f} to {interval.high:.2f})"
        numbers |= {"both": ratio, "low": interval.low, "high": interval.high}
    else:
        text += f" {len(mine)} first calls are too few for an interval of the sum"
    return Finding(text, numbers=numbers)


def memory_figure(known: Sequence[Served], views: Mapping[str, RunView]) -> Figure | None:
    """Return the private memory of one first call of each condition, each phase named where it begins.

    Args:
        known: The conditions.
        views: The runs that measured them, by id; those with the collector `memory-series` have it.
    """
    held = {
        (run_id, value.sequence): value.text
        for run_id, view in views.items()
        for value in view.values()
        if value.metric == _SERIES and value.text
    }
    lines: dict[str, list[tuple[float, float]]] = {}
    marks: dict[str, list[str]] = {}
    for each in known[:_MOST_LINES] if held else ():
        run_id = each.taken_from or each.condition.run.id
        texts = (held.get((run_id, int(sequence))) for sequence in each.first["sequence"])
        text = next(filter(None, texts), None)
        if text is None:
            continue
        document, name = json.loads(text), label(each.condition, [other.condition for other in known])
        times = [float(time_s) for time_s in document["t_s"]]
        lines[name] = list(zip(times, map(float, document["uss_bytes"]), strict=True))
        begins = {bisect(times, begin_s): phase for phase, begin_s, _ in document["phases"]}
        marks[name] = [begins.get(place, "") for place in range(len(times))]
    if not lines:
        return None
    return Figure(
        "memory",
        "line",
        title="Private memory of a first call, with its phases",
        x=Column("time_s", "time", unit="s"),
        y=Column("private_bytes", "private memory", unit="bytes"),
        series=lines,
        labels=marks,
        samples={name: len(points) for name, points in lines.items()},
    )


def text_figure(known: Sequence[Served]) -> Figure | None:
    """Return the time of a call by the size of its text; None where no two sizes were measured."""
    lines: dict[str, list[Served]] = defaultdict(list)
    for each in known:
        if each.text_bytes:
            identity = each.condition.identity
            name = f"{each.model} {each.engine} {identity['platform']} {each.memory_mib} MiB batch {identity['batch']}"
            lines[name].append(each)
    lines = {name: line for name, line in lines.items() if len(line) >= _TEXTS}
    if not lines:
        return None
    ordered = {name: sorted(line, key=lambda each: each.text_bytes) for name, line in lines.items()}
    return Figure(
        "text-size",
        "line",
        title="Time of the inferences that a text takes",
        x=Column("text_bytes", "text", unit="bytes"),
        y=Column("latency_s", "time of the inferences", unit="s"),
        series={
            name: [(float(each.text_bytes), each.latency_s or 0.0) for each in line] for name, line in ordered.items()
        },
        samples={name: sum(len(each.times) for each in line) for name, line in ordered.items()},
        log="xy",
    )
