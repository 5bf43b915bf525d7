"""What memory does: where more of it stops helping, and whether the share of a cold start depends on it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Finding
from sebsx.reading.conditions import label
from sebsx.stats import LEAST_BLOCKS, median_ratio_interval
from sebsx_dnn_inference.findings import all_but
from sebsx_dnn_inference.served import INFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sebsx.reading.conditions import Condition
    from sebsx_dnn_inference.served import Served

_GAIN = 0.1  # of the time of an inference: what less than that earns is not worth memory
_FEWEST = 3  # sizes that show where a curve bends


def knees(sound: Sequence[Served], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield the smallest memory after which no more memory makes an inference a tenth quicker.

    Source: Ganju and Shankar found it at 1500 MB for MobileNet and at 1750 MB for ResNet50 and InceptionV3 (on AWS
    Lambda, whose processor follows memory). The tenth is ours; they read it off a curve.
    """
    for line in _lines(sound):
        if len(line) < _FEWEST:
            continue
        times = [each.latency_s or 0.0 for each in line]
        place = next(place for place, time_s in enumerate(times) if min(times[place:]) >= (1 - _GAIN) * time_s)
        knee = line[place]
        if place == len(line) - 1:
            text = f"{label(knee.condition, found)}: more memory may still help; every size was worth it"
        else:
            text = f"{label(knee.condition, found)}: the knee; more memory makes no inference {_GAIN:.0%} quicker"
        yield Finding(text, numbers={"memory_mib": knee.memory_mib, "latency_s": knee.latency_s})


def cold_shares(sound: Sequence[Served], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield which share of a first call is the cold start, and whether it depends on memory.

    The share of a sandbox is what its first call took beyond a later one, by what its first call took: boot, import
    and the call itself. It is held between the smallest and the largest memory by the interval of a ratio of medians.

    Source: published is that the share hardly depends on memory (Ganju and Shankar).
    """
    for line in _lines(sound):
        shares = [(each, cold_share(each)) for each in line]
        known = [(each, values) for each, values in shares if len(values)]
        if not known:
            continue
        (first, small), (last, large) = known[0], known[-1]
        middle = sorted(value for _, values in known for value in values)[sum(len(v) for _, v in known) // 2]
        text = f"{label(first.condition, found)}: {middle:.0%} of a first call is its cold start"
        numbers: dict[str, Any] = {"cold_share": middle}
        if len(known) > 1 and min(len(small), len(large)) >= LEAST_BLOCKS and min(*small, *large) > 0:
            ratio, interval = median_ratio_interval(large, small, first.confidence)
            sizes = f"from {first.memory_mib} to {last.memory_mib} MiB"
            same = interval.low <= 1 <= interval.high
            said = "not shown to depend on memory" if same else "depends on memory"
            text += f", {said}: {sizes} it is {ratio:.2f} times as large ({interval.low:.2f} to {interval.high:.2f})"
            numbers |= {"ratio": ratio, "low": interval.low, "high": interval.high}
        yield Finding(text, numbers=numbers)


def cold_share(each: Served) -> list[float]:
    """Return by sandbox the share of its first call that a later call does not have."""
    frame = each.condition.counted
    first = each.first
    warm = each.warm("function.duration_s").values
    if not len(warm) or not len(first["function.duration_s"]):
        return []
    parts = [first[name] for name in ("function.duration_s", "function.boot_s", "function.import_s") if name in first]
    later_s = float(sorted(warm)[len(warm) // 2])
    totals = [sum(value for value in row if value == value) for row in zip(*parts, strict=True)]  # NaN: not told
    return [1 - later_s / total for total in totals if total > 0] if INFERENCE in frame else []


def _lines(sound: Sequence[Served]) -> list[list[Served]]:
    """Return what differs in memory only, each by ascending memory."""
    lines: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in sound:
        lines[all_but(each, "memory_mib")].append(each)
    return [sorted(line, key=lambda each: each.memory_mib) for line in lines.values()]
