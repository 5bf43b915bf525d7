"""The figures of a sweep: times with intervals and as boxes, first calls in parts, throughput as a heat map."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Column, Figure
from sebsx.reading.conditions import label
from sebsx_dnn_inference import served
from sebsx_dnn_inference.beginnings import memory_figure, text_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition
    from sebsx_dnn_inference.served import Served

_MOST_POINTS = 500  # of a condition, in a figure
_FEWEST_FIELDS = 4  # that make a map


def drawn(known: Sequence[Served], found: Sequence[Condition], views: Mapping[str, RunView]) -> Iterator[Figure]:
    """Yield the figures of what was measured: the first two show the answers."""
    if not known:
        return
    names = [label(each.condition, found) for each in known]
    latency = Column("latency_s", "time of an inference", unit="s")
    points = [(float(place), each.latency.value or 0.0) for place, each in enumerate(known)]
    ends = [
        (each.latency.low or value, each.latency.high or value) for each, (_, value) in zip(known, points, strict=True)
    ]
    yield Figure(
        "inference",
        "interval",
        title="Time of an inference",
        x=Column("condition", "condition"),
        y=latency,
        series={"median": points},
        categories=names,
        intervals={"median": ends},
        samples={"median": sum(len(each.times) for each in known)},
        log="y",
    )
    first = "first inference"
    parts = {"library": served.LIBRARY, "download": served.DOWNLOAD, "model": served.LOAD, first: served.INFERENCE}
    series = {
        name: [(float(place), each.cold(metric).value or 0.0) for place, each in enumerate(known)]
        for name, metric in parts.items()
    }
    yield Figure(
        "cold-start",
        "stacked",
        title="What a first call is made of",
        x=Column("condition", "condition"),
        y=Column("time_s", "time", unit="s"),
        series={name: values for name, values in series.items() if any(value for _, value in values)},
        categories=names,
        samples={name: sum(each.cold(metric).n for each in known) for name, metric in parts.items()},
    )
    yield _boxes(known, names)
    yield from _heat([each for each in known if not each.text_bytes])
    yield from filter(None, (text_figure(known), memory_figure(known, views)))


def _boxes(known: Sequence[Served], names: Sequence[str]) -> Figure:
    """Return the times of all inferences, a box for each condition."""
    points = [
        (float(place), float(value)) for place, each in enumerate(known) for value in each.times.values[:_MOST_POINTS]
    ]
    return Figure(
        "inference-boxes",
        "box",
        title="Times of single inferences",
        x=Column("condition", "condition"),
        y=Column("latency_s", "time of an inference", unit="s"),
        series={"inferences": points},
        categories=names,
        samples={"inferences": len(points)},
        log="y",
    )


def _heat(known: Sequence[Served]) -> Iterator[Figure]:
    """Yield for each model a row for each engine and memory size and a field for each batch."""
    models: dict[str, list[Served]] = defaultdict(list)
    for each in known:
        models[each.model].append(each)
    for model, members in models.items():
        batches = sorted({each.batch for each in members})
        rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
        counts: dict[str, int] = defaultdict(int)
        for each in sorted(members, key=lambda each: (each.engine, each.memory_mib, each.batch)):
            name = f"{each.condition.identity['platform']} {each.engine} {each.memory_mib} MiB"
            rows[name].append((float(batches.index(each.batch)), each.throughput or 0.0))
            counts[name] += len(each.times)
        if len(members) < _FEWEST_FIELDS:
            continue
        yield Figure(
            f"throughput-{model}",
            "heatmap",
            title=f"Items a second of {model}",
            x=Column("batch", "batch"),
            y=Column("throughput", "items/s"),
            series=rows,
            categories=[str(batch) for batch in batches],
            samples=counts,
        )
