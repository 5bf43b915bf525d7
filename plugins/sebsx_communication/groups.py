"""The channels of a run that can be compared, with their lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model.starved import MOST_STARVED
from sebsx.reading.conditions import name_of
from sebsx.reading.units import show
from sebsx_communication.exchanges import Exchanged, exchanged, sizes_of
from sebsx_communication.model import Line, fitted, resampled_medians

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.runs import RunView


@dataclass
class ChannelGroup:
    """Channels that can be compared: of one run, platform and memory size."""

    name: str
    identity: Mapping[str, Any]
    channels: dict[str, list[Exchanged]] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    def measured(self, size: int) -> dict[str, Exchanged]:
        """Return what was measured at a size, by channel; what was starved, or mostly unanswered, is left out."""
        return {
            name: each
            for name, cells in self.channels.items()
            for each in cells
            if each.cell.factors["message_bytes"] == size and each.usable
        }

    def sizes(self) -> list[int]:
        """Return the sizes at which something was measured that may be used."""
        return sizes_of([each for cells in self.channels.values() for each in cells if each.usable])

    @property
    def starved(self) -> bool:
        """Whether any of its cells did not have the processor that it was due."""
        return any(each.starved > MOST_STARVED for cells in self.channels.values() for each in cells)

    @property
    def answered(self) -> bool:
        """Whether any message came back."""
        return any(each.latencies_s for cells in self.channels.values() for each in cells)


def groups_of(runs: Sequence[RunView]) -> list[ChannelGroup]:
    """Return the groups in which a message came back, the cells of each channel by size."""
    groups: dict[tuple[Any, ...], ChannelGroup] = {}
    for view in runs:
        for each in exchanged(view):
            factors = each.cell.factors
            identity = {"platform": factors["platform"], "memory_mib": factors["memory_mib"], "run": view.run.id}
            group = groups.setdefault(tuple(identity.values()), ChannelGroup("", identity))
            group.channels.setdefault(factors["channel"], []).append(each)
    found = [group for group in groups.values() if group.answered]
    telling = ["platform", *(key for key in ("memory_mib", "run") if len({each.identity[key] for each in found}) > 1)]
    for group in found:
        group.name = name_of({key: group.identity[key] for key in telling})
        group.channels = dict(sorted(group.channels.items()))
        for cells in group.channels.values():
            cells.sort(key=lambda each: int(each.cell.factors["message_bytes"]))
    return found


def fit(group: ChannelGroup) -> None:
    """Fit every channel with two sizes or more that may be used; the resamples are the same for the same data."""
    import numpy as np  # heavy

    for name, cells in group.channels.items():
        known = [each for each in cells if each.usable and any(value > 0 for value in each.latencies_s)]
        if len(known) < 2:
            continue
        rng = np.random.default_rng(0)
        sizes = np.array([float(each.cell.factors["message_bytes"]) for each in known])
        observed = [each.latency_s for each in known]
        group.lines[name] = fitted(sizes, resampled_medians([each.where(each.values > 0) for each in observed], rng))


def answer(group: ChannelGroup) -> str:
    """Return in one sentence which channel to take at which size, by what was measured."""
    best: list[tuple[str, list[int]]] = []  # neighbouring sizes with the same fastest channel
    latencies = {}
    for size in group.sizes():
        found = group.measured(size)
        name = min(found, key=lambda name: found[name].median_s)
        latencies[size] = show(found[name].median_s, "s")
        if not best or best[-1][0] != name:
            best.append((name, []))
        best[-1][1].append(size)
    said = []
    for name, sizes in best:
        ends = sizes if len(sizes) == 1 else (sizes[0], sizes[-1])
        span = " to ".join(f"{show(size, 'bytes')} ({latencies[size]})" for size in ends)
        said.append(f"{name} for {span}")
    if not best:
        if group.starved:
            return f"{group.name}: the machine was too busy to tell how long a message takes"
        return f"{group.name}: most messages were not answered in time, so that none tells how long they take"
    several = len([name for name, cells in group.channels.items() if any(each.usable for each in cells)]) > 1
    return f"{group.name}: {'the fastest channel is' if several else 'messages were sent by'} {', '.join(said)}"
