"""Figures of channels: latency, bandwidth and cost of a message by its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Column, Figure
from sebsx.reading.believed import quantile_of_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx_communication.groups import ChannelGroup
    from sebsx_communication.model import Line

SIZE = Column("message_bytes", "message", unit="bytes", meaning="size of a message")


def figures(groups: Sequence[ChannelGroup], confidence: float) -> list[Figure]:
    """Return latency, bandwidth and cost by size, as far as they are known."""
    named = [
        (f"{group.name} {name}" if len(groups) > 1 else name, cells, group.lines.get(name))
        for group in groups
        for name, cells in group.channels.items()
    ]
    latency: dict[str, list[tuple[float, float]]] = {}
    intervals: dict[str, list[tuple[float, float]]] = {}
    streams: dict[str, list[tuple[float, float]]] = {}
    costs: dict[str, list[tuple[float, float]]] = {}
    samples: dict[str, int] = {}
    for label, cells, line in named:
        known = [(float(each.cell.factors["message_bytes"]), each) for each in cells if each.latencies_s]
        medians = [(size, quantile_of_units(each.latency_s, 0.5, confidence)) for size, each in known]
        shown = [(size, found, found.value) for size, found in medians if found.value]
        latency[label] = [(size, value) for size, _, value in shown]
        intervals[label] = [(found.low or value, found.high or value) for _, found, value in shown]
        samples[label] = sum(found.n for _, found, _ in shown)
        if line is not None:
            latency[f"{label}, model"] = _drawn(line)
        streams[label] = [(size, quantile_of_units(each.stream).value or 0.0) for size, each in known if each.bandwidth]
        costs[label] = [(size, cost) for size, each in known if (cost := each.message_usd)]
    drawn = []
    for name, title, y, series in (
        ("latency-by-size", "Latency of a message by its size", Column("latency_s", "latency", unit="s"), latency),
        (
            "bandwidth-by-size",
            "Bandwidth of a stream by size",
            Column("bandwidth", "bandwidth", unit="bytes/s"),
            streams,
        ),
        ("cost-by-size", "Cost of a message by its size", Column("message_usd", "cost", unit="USD"), costs),
    ):
        kept = {label: points for label, points in series.items() if points}
        ends = {label: found for label, found in intervals.items() if found and series is latency}
        counts = {label: samples[label] for label in ends}
        if kept:
            drawn.append(
                Figure(name, "line", title=title, x=SIZE, y=y, series=kept, intervals=ends, log="xy", samples=counts)
            )
    return drawn


def _drawn(line: Line) -> list[tuple[float, float]]:
    import numpy as np  # heavy

    return [(float(size), float(line.latency_s(size)[0])) for size in np.geomspace(line.sizes[0], line.sizes[-1], 30)]
