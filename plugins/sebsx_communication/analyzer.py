"""What exchanges say: a line for each channel, where they cross, and whether choosing by them is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Estimate,
    Finding,
    IntervalSettings,
    Method,
    Report,
    ReportFile,
    Table,
    about_emulation,
    about_runs,
)
from sebsx.reading.believed import quantile_of_units
from sebsx.reading.blocks import caution
from sebsx.reading.starved import about_starved
from sebsx.reading.units import show
from sebsx_communication.figures import SIZE, figures
from sebsx_communication.groups import ChannelGroup, answer, fit, groups_of
from sebsx_communication.model import bandwidth, crossover, fastest, interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx_communication.exchanges import Exchanged

# A size whose median is so far from the line says that the line does not describe the channel.
_MISFIT = 0.5

_CHANNEL = Column("channel", "channel")
_LINES = (
    _CHANNEL,
    Column("alpha_s", "alpha", unit="s", meaning="time of an empty message, by the fit latency = alpha + size / beta"),
    Column("beta", "beta", unit="bytes/s", meaning="rate at which the time grows with the size, by the same fit"),
    Column("sizes", "sizes", unit="count", meaning="sizes of message measured"),
    Column(
        "sandboxes", "sandboxes", unit="count", meaning="pairs of sandboxes that talked: the units of the intervals"
    ),
    Column("n", "n", unit="count", meaning="round trips"),
    Column("deviation", "off", unit="1", meaning="largest deviation of a measured median from the line"),
    Column("bandwidth", "stream", unit="bytes/s", meaning="best median bandwidth of a stream one way"),
)
_SIZES = (
    _CHANNEL,
    SIZE,
    Column("exchanges", "exchanges", unit="count", meaning="pairs of invocations"),
    Column(
        "sandboxes", "sandboxes", unit="count", meaning="pairs of sandboxes that talked: the units of the intervals"
    ),
    Column("n", "n", unit="count", meaning="round trips"),
    Column(
        "latency_s",
        "latency",
        unit="s",
        meaning="median over pairs of sandboxes of half a round trip; what was sent again or lost is later than all",
    ),
    Column("p90_s", "p90", unit="s", meaning="of half a round trip"),
    Column("p99_s", "p99", unit="s", meaning="of half a round trip"),
    Column(
        "bandwidth", "stream", unit="bytes/s", meaning="median bandwidth of a stream one way, to its acknowledgement"
    ),
    Column("operations", "operations", meaning="of the channel for each message, unanswered polls included"),
    Column("polls", "polls", meaning="unanswered polls for each message"),
    Column("retries", "retries", unit="count", meaning="messages sent again after an unanswered wait"),
    Column("operations_usd", "operations ", unit="USD", meaning="cost of the channel's operations for each message"),
    Column("message_usd", "message ", unit="USD", meaning="that and the time of both functions for the median latency"),
)
_CROSSINGS = (
    Column("small", "small messages"),
    Column("large", "large messages"),
    Column("size", "from", unit="bytes", meaning="size from which the second is faster by the model"),
    Column("range", "lies", meaning="whether the sizes measured enclose it"),
)
_CHOICES = (
    SIZE,
    Column("best", "fastest", meaning="smallest measured median"),
    Column("chosen", "model", meaning="the model's choice, fitted without this size where others are enough"),
    Column("regret", "slower by", unit="1", meaning="measured latency of the choice over that of the fastest, less 1"),
    Column("cheapest", "cheapest", meaning="smallest measured cost of a message"),
    Column("chosen_cheap", "model ", meaning="the model's choice by cost"),
    Column(
        "regret_cheap",
        "costs more by",
        unit="1",
        meaning="measured cost of the choice over that of the cheapest, less 1",
    ),
)

_CELLS = (
    Column("platform", "platform"),
    _CHANNEL,
    Column("status", "status"),
    Column("cells", "cells", unit="count", meaning="sizes of message and memory that ended so"),
    Column("reason", "why", meaning="of the first of them"),
)


_LINE = Method(
    of="alpha and beta",
    unit="the round, or rounds that a pair of sandboxes joins",
    interval="the line is robust (Huber) through medians, with percentiles of a bootstrap of the rounds, the farther "
    "out the fewer they are (Hesterberg 2015), where most messages were answered",
    silent="sizes beyond those measured, nor a channel whose time is not alpha + size / beta",
    page="docs/methods/communication.md",
)


class CommunicationAnalyzer(Analyzer[IntervalSettings]):
    """Latency, bandwidth and cost by channel and size; the alpha-beta model, its crossovers and its choices."""

    name: ClassVar[str] = "communication"
    summary: ClassVar[str] = "alpha-beta model of each channel, crossovers, and the model's choices against the best"
    Settings: ClassVar[type[Any]] = IntervalSettings

    def analyze(self, runs: Sequence[RunView], settings: IntervalSettings) -> Report:
        """Return the report over all channels of all runs."""
        groups = groups_of(runs)
        for group in groups:
            fit(group)
        identity = _identity_columns(groups)
        confidence = settings.confidence

        def table(name: str, columns: Sequence[Column], of: Any, caption: str) -> Table:
            rows = [{**group.identity, **row} for group in groups for row in of(group)]
            return Table(name, columns=(*identity, *columns), rows=rows, caption=caption)

        tables = [
            table("channels", _LINES, lambda group: _line_rows(group, confidence), "latency = alpha + size / beta"),
            table("crossovers", _CROSSINGS, lambda group: _crossing_rows(group, confidence), "where the lines cross"),
            table("choices", _CHOICES, _choice_rows, "the model's choice against the measured best"),
            table("sizes", _SIZES, lambda group: _size_rows(group, confidence), "every channel and size"),
            Table("cells", columns=_CELLS, rows=_cell_rows(runs), caption="how the cells of the design ended"),
        ]
        findings = [
            *(_sentence(group, confidence) for group in groups),
            *about_runs(runs),
            *_starved(groups),
            *(finding for group in groups for finding in _about(group)),
            *about_emulation(runs),
        ]
        if runs and not groups:
            findings.insert(0, Finding("not enough data: no message of any channel came back", warning=True))
        shown, files = [each for each in tables if each.rows], list(_files(groups))
        return Report(
            "Communication",
            tables=shown,
            figures=figures(groups, confidence),
            findings=findings,
            files=files,
            answers=[answer(group) for group in groups],
            methods=[_LINE],
        )


def _identity_columns(groups: Sequence[ChannelGroup]) -> list[Column]:
    columns = (Column("platform", "platform"), Column("memory_mib", "MiB"), Column("run", "run"))
    return [each for each in columns if len({group.identity[each.key] for group in groups}) > 1]


def _cell_rows(runs: Sequence[RunView]) -> list[dict[str, Any]]:
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in (cell for view in runs for cell in view.cells()):
        key = (cell.factors.get("platform"), cell.factors.get("channel"), cell.status.value)
        first = dict(zip(("platform", "channel", "status"), key, strict=True))
        reason = (cell.error or cell.stop_reason or "").partition("\n")[0]
        row = rows.setdefault(key, {**first, "cells": 0, "reason": reason})
        row["cells"] += 1
    return list(rows.values())


def _files(groups: Sequence[ChannelGroup]) -> Iterator[ReportFile]:
    """Yield the model as other programs read it, where one could be fitted."""
    lines = [
        {
            **group.identity, "channel": name, "alpha_s": float(line.alpha_s[0]),
            "s_per_byte": float(line.s_per_byte[0]),
        }
        for group in groups
        for name, line in group.lines.items()
    ]  # fmt: skip
    if lines:
        text = (
            json.dumps({"model": "latency_s = alpha_s + s_per_byte * message_bytes", "lines": lines}, indent=1) + "\n"
        )
        yield ReportFile("communication-model.json", text, meaning="the fitted line of every channel")


def _line_rows(group: ChannelGroup, confidence: float) -> Iterator[dict[str, Any]]:
    for name, cells in group.channels.items():
        streams = [quantile_of_units(each.stream).value for each in cells if each.bandwidth]
        best = max((value for value in streams if value is not None), default=None)
        n = sum(len(each.latencies_s) for each in cells)
        row = {
            "channel": name, "n": n, "sizes": sum(bool(each.latencies_s) for each in cells),
            "sandboxes": _blocks(cells), "bandwidth": best,
        }  # fmt: skip
        line = group.lines.get(name)
        if line is None:
            few = Estimate(None, note="not enough data: needs two sizes")
            yield {**row, "alpha_s": few, "beta": few, "deviation": None}
            continue
        yield {
            **row,
            "alpha_s": interval(line.alpha_s, confidence, n, _blocks(cells)),
            "beta": interval(bandwidth(line), confidence, n, _blocks(cells)),
            "deviation": float(abs(line.deviation).max()),
        }


def _blocks(cells: Sequence[Exchanged]) -> int:
    """Return how many blocks have anything of a channel."""
    return len({block for each in cells for block, trips in zip(each.blocks, each.trips_s, strict=True) if trips})


def _size_rows(group: ChannelGroup, confidence: float) -> Iterator[dict[str, Any]]:
    for name, cells in group.channels.items():
        for each in cells:
            latencies = each.latencies_s
            operations = each.per_message()
            yield {
                "channel": name,
                "message_bytes": each.cell.factors["message_bytes"],
                "exchanges": len(each.trips_s),
                "sandboxes": _blocks([each]),
                "n": len(latencies),
                "latency_s": quantile_of_units(each.latency_s, 0.5, confidence),
                "p90_s": quantile_of_units(each.latency_s, 0.9, confidence),
                "p99_s": quantile_of_units(each.latency_s, 0.99, confidence),
                "bandwidth": quantile_of_units(each.stream, 0.5, confidence) if each.bandwidth else None,
                "operations": sum(count for key, count in operations.items() if key != "poll") if operations else None,
                "polls": operations.get("poll", 0.0) if operations else None,
                "retries": each.retries,
                "operations_usd": each.operations_usd,
                "message_usd": each.message_usd,
            }


def _crossings(group: ChannelGroup, confidence: float) -> Iterator[tuple[str, str, Estimate]]:
    for small, first in group.lines.items():
        for large, second in group.lines.items():
            n = min(sum(len(each.latencies_s) for each in group.channels[name]) for name in (small, large))
            blocks = min(_blocks(group.channels[name]) for name in (small, large))
            found = crossover(first, second, confidence, n, blocks) if small != large else None
            if found is not None:
                yield small, large, found


def _crossing_rows(group: ChannelGroup, confidence: float) -> Iterator[dict[str, Any]]:
    for small, large, size in _crossings(group, confidence):
        lines = group.lines[small], group.lines[large]
        least, most = max(line.sizes[0] for line in lines), min(line.sizes[-1] for line in lines)
        inside = size.value is not None and least <= size.value <= most
        where = "within what was measured" if inside else "beyond what was measured"
        yield {"small": small, "large": large, "size": size, "range": where}


def _choice_rows(group: ChannelGroup) -> Iterator[dict[str, Any]]:
    for size in group.sizes():
        here = {name: each for name, each in group.measured(size).items() if name in group.lines}
        if len(here) < 2:
            continue
        latencies = {name: each.median_s for name, each in here.items()}
        predicted = {name: float(group.lines[name].without(size).latency_s(size)[0]) for name in here}
        best, chosen = min(latencies, key=latencies.__getitem__), min(predicted, key=predicted.__getitem__)
        row = {
            "message_bytes": size, "best": best, "chosen": chosen, "regret": latencies[chosen] / latencies[best] - 1,
        }  # fmt: skip
        costs = {name: cost for name, each in here.items() if (cost := each.message_usd) is not None}
        modelled = {name: _modelled_cost(group, name, size, predicted[name]) for name in costs}
        if len(costs) > 1:
            cheapest, cheap = min(costs, key=costs.__getitem__), min(modelled, key=modelled.__getitem__)
            regret = costs[cheap] / costs[cheapest] - 1 if costs[cheapest] else 0.0
            row |= {"cheapest": cheapest, "chosen_cheap": cheap, "regret_cheap": regret}
        yield row


def _modelled_cost(group: ChannelGroup, name: str, size: int, latency_s: float) -> float:
    """Return what a message would cost by the model, its operations read off the other sizes."""
    import numpy as np  # heavy

    cells = [each for each in group.channels[name] if each.usable and each.message_usd is not None]
    others = [each for each in cells if each.cell.factors["message_bytes"] != size] or cells
    known = np.interp(
        size, [each.cell.factors["message_bytes"] for each in others], [each.operations_usd or 0.0 for each in others]
    )
    return latency_s * (cells[0].usd_per_s or 0.0) + float(known)


def _sentence(group: ChannelGroup, confidence: float) -> Finding:
    """Return the finding in one sentence: who is fastest where, and whether choosing by the model is right."""
    sizes = group.sizes()
    if not group.lines:
        names = ", ".join(sorted(name for name, cells in group.channels.items() if any(c.latencies_s for c in cells)))
        all_usable = all(each.usable for cells in group.channels.values() for each in cells if each.latencies_s)
        few = "fewer than two sizes of message that were not starved and mostly answered"
        only = "one size of message only" if all_usable else few
        text = f"{group.name}: not enough data for a model: {names} came back at {only}"
        return Finding(text, numbers={"sizes": sizes}, warning=True)
    top = max(line.sizes[-1] for line in group.lines.values())
    segments = fastest(group.lines, float(min(line.sizes[0] for line in group.lines.values())), float(top))
    crossings = {(small, large): size for small, large, size in _crossings(group, confidence)}
    rows = {row["channel"]: row for row in _line_rows(group, confidence)}
    words = []
    numbers: dict[str, Any] = {}
    for place, segment in enumerate(segments):
        row = rows[segment.channel]
        alpha, beta = row["alpha_s"], row["beta"]
        numbers[segment.channel] = {"alpha_s": alpha.value, "beta": beta.value}
        rate = f" + size / {show(beta, 'bytes/s')}" if beta.value is not None else " at any size"
        line = f"{segment.channel} takes {show(alpha, 's')}{rate}"
        if place + 1 < len(segments):
            end = crossings.get((segment.channel, segments[place + 1].channel))
            limit = show(end, "bytes") if end is not None else f"its largest, {show(segment.high, 'bytes')}"
            numbers[segment.channel]["up_to_bytes"] = end.value if end is not None else segment.high
            line += f" and is the fastest up to {limit}"
        elif place:
            line += " and is the fastest beyond"
        else:
            line += " and is the fastest at every size"
        words.append(line)
    choices = list(_choice_rows(group))
    text = f"{group.name}: {'; '.join(words)} ({100 * confidence:g} % intervals)"
    if choices:
        hits = sum(row["best"] == row["chosen"] for row in choices)
        regret = max(row["regret"] for row in choices)
        numbers |= {"hits": hits, "choices": len(choices), "regret": regret}
        text += (
            f"; the model's choice is the fastest measured at {hits} of {len(choices)} sizes, "
            f"{show(regret, '1')} slower at worst"
        )
    return Finding(text, numbers=numbers)


def _starved(groups: Sequence[ChannelGroup]) -> Iterator[Finding]:
    found = [
        (f"{group.name} {name} of {show(each.cell.factors['message_bytes'], 'bytes')}", each.starved)
        for group in groups
        for name, cells in group.channels.items()
        for each in cells
    ]
    yield from about_starved(
        [name for name, _ in found], [share for _, share in found], "left out of lines and choices"
    )


def _about(group: ChannelGroup) -> Iterator[Finding]:
    for name, cells in group.channels.items():
        line = group.lines.get(name)
        if line is not None and (off := float(abs(line.deviation).max())) > _MISFIT:
            size = float(line.sizes[abs(line.deviation).argmax()])
            text = (
                f"{group.name} {name}: the line is {show(off, '1')} off at {show(size, 'bytes')}: its latency is not "
                "alpha + size / beta; read the measured sizes"
            )
            yield Finding(text, numbers={"channel": name, "deviation": off, "message_bytes": size}, warning=True)
        blocks = _blocks(cells)
        if blocks and (said := caution(blocks)):
            yield Finding(f"{group.name} {name}: {said}", numbers={"channel": name, "sandboxes": blocks}, warning=True)
        for key, what in (
            ("retries", "messages were sent again after an unanswered wait"),
            ("same_sandbox", "exchanges had both ends in one sandbox: they do not show the way between two"),
        ):
            if count := sum(getattr(each, key) for each in cells):
                text = f"{group.name} {name}: {count} {what}"
                yield Finding(text, numbers={"channel": name, key: count}, warning=True)
