"""The published statements, for the user's own run: batching, cost-performance, winners, and one recommendation.

Sources: All-You-Can-Inference (relative throughput by optimizer, cost-performance by memory, winners per memory size);
Ganju and Shankar, Serverless ML inference (the knee of memory); see `docs/methods/dnn-inference.md`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Finding
from sebsx.reading.conditions import label
from sebsx.reading.units import show
from sebsx.stats import LEAST_BLOCKS, median_ratio_interval
from sebsx_dnn_inference.served import question

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.reading.conditions import Condition
    from sebsx_dnn_inference.served import Served

DEFAULT = "onnx"  # what a saving is told against: the model as it was given
_TOLD = 0.01  # a smaller share of money is not worth a word


def is_sound(each: Served, *, emulated: bool) -> bool:
    """Tell whether a condition may be chosen: its machine had the time, and its processor was a real one."""
    return not each.condition.doubt and (emulated or not each.condition.emulated)


def without_size(known: Sequence[Served]) -> list[Served]:
    """Return what ran in several memory sizes of which none limited the processor: no size may be chosen of these."""
    free = [each for each in known if each.condition.unlimited]
    return free if len({each.condition.identity.get("memory_mib") for each in free}) > 1 else []


def against_one(known: Sequence[Served]) -> dict[int, float]:
    """Return the throughput of each condition against batch 1 of the same, by `id`.

    (B / latency(B)) / (1 / latency(1)); nothing where batch 1 was not measured.
    """
    ones = {all_but(each, "batch"): each.throughput for each in known if each.batch == 1}
    found = {}
    for each in known:
        one = ones.get(all_but(each, "batch"))
        if each.batch != 1 and one and each.throughput:
            found[id(each)] = each.throughput / one
    return found


def cost_performance(known: Sequence[Served], base_mib: int) -> list[dict[Any, Any]]:
    """Return CP(M) = (M / base) * latency(M) / latency(base) of everything that was measured at several sizes.

    The base is the smallest size of each where the one asked for was not measured.
    """
    lines: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in known:
        lines[all_but(each, "memory_mib")].append(each)
    rows = []
    for line in lines.values():
        sizes = {each.memory_mib: each.latency_s for each in line}
        if len(sizes) < 2:
            continue
        base = base_mib if base_mib in sizes else min(sizes)
        identity = line[0].condition.identity
        row: dict[Any, Any] = {
            "model": line[0].model, "engine": line[0].engine, "batch": line[0].batch,
            "platform": identity["platform"],
        }  # fmt: skip
        reference = sizes[base]
        assert reference
        row |= {size: size / base * latency / reference for size, latency in sorted(sizes.items()) if latency}
        rows.append(row)
    return rows


def said(sound: Sequence[Served], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield what batching gains by engine, and which engine wins at each memory size."""
    ratios = against_one(sound)
    gains: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for each in sound:
        if id(each) in ratios:
            gains[each.engine].append((each.batch, ratios[id(each)]))
    for engine, pairs in sorted(gains.items()):
        largest = max(batch for batch, _ in pairs)
        values = sorted(ratio for batch, ratio in pairs if batch == largest)
        text = f"{engine}: a batch of {largest} serves {values[0]:.2f}"
        text += f" to {values[-1]:.2f} times" if len(values) > 1 else " times"
        yield Finding(f"{text} the items a second of batch 1", numbers={f"batch {largest}": values[-1]})
    yield from _winners(sound)
    for each in sound:
        if 0 < each.times.count < LEAST_BLOCKS:
            text = f"{label(each.condition, found)}: {each.times.count} sandboxes are too few for an interval"
            yield Finding(text, numbers={"sandboxes": each.times.count}, warning=True)


def recommendations(sound: Sequence[Served]) -> Iterator[str]:
    """Yield for each model what to serve it with, and what that saves against the model as it was given."""
    for members in _questions(sound).values():
        yield _recommended(members)


def undecided(known: Sequence[Served], sound: Sequence[Served]) -> Iterator[str]:
    """Yield each model that was measured, and never so that something may be chosen."""
    for model in dict.fromkeys(each.model for each in known):
        if all(each.model != model for each in sound):
            yield f"{model}: nothing is recommended; the warnings say why"


def _recommended(members: Sequence[Served]) -> str:
    first = members[0]
    model = f"{first.model} with {show(float(first.text_bytes), 'bytes')} of text" if first.text_bytes else first.model
    priced = [each for each in members if each.cost.value is not None]
    by_cost = bool(priced) and len(priced) == len(members)
    best = min(members, key=lambda each: _rank(each, by_cost=by_cost))
    default = min(
        (each for each in members if each.engine == DEFAULT and each.batch == 1),
        key=lambda each: _rank(each, by_cost=by_cost),
        default=None,
    )
    assert best.latency_s is not None
    figures = f"{show(best.latency_s / best.batch, 's')} an item"
    if by_cost:
        figures += f", {show(best.cost.value, 'USD')} per 1000"
    text = f"{model}: serve it by {_words(best, members)}: {figures}"
    tied = [each for each in members if each is not best and _alike(each, best, by_cost=by_cost)]
    if tied:
        text += f"; a tie with {', '.join(_words(each, members) for each in tied[:3])}"
    if default is not None and default is not best and default not in tied:
        text += f"; {_saving(best, default)} than {_words(default, members)}"
    return text


def _rank(each: Served, *, by_cost: bool) -> tuple[float, float]:
    """Return what the best has least of: cost of an item where all have a price, then time of an item."""
    assert each.latency_s is not None
    return (each.cost.value or 0.0) if by_cost else 0.0, each.latency_s / each.batch


def _alike(one: Served, best: Served, *, by_cost: bool) -> bool:
    """Tell whether nothing shows that one is worse: neither its cost nor its time an item is above the best's."""
    if min(one.times.count, best.times.count) < LEAST_BLOCKS:
        return False
    if by_cost:
        high = best.cost.value if best.cost.high is None else best.cost.high
        low = one.cost.value if one.cost.low is None else one.cost.low
        if high is None or low is None or low > high:
            return False
    return _times_an_item(one, best)[0] <= 1


def _saving(best: Served, default: Served) -> str:
    assert best.latency_s is not None
    assert default.latency_s is not None
    text = f"{_change(best.latency_s / best.batch * default.batch / default.latency_s)} time an item"
    if min(best.times.count, default.times.count) >= LEAST_BLOCKS:
        text += f" ({_range(*_times_an_item(best, default))})"
    if best.cost.value and default.cost.value and abs(best.cost.value / default.cost.value - 1) >= _TOLD:
        text += f" and {_change(best.cost.value / default.cost.value)} money"
        if min(len(best.costs.medians), len(default.costs.medians)) >= LEAST_BLOCKS:
            text += f" ({_range(*_costs_an_item(best, default))})"
    return text


def _times_an_item(one: Served, other: Served) -> tuple[float, float]:
    """Return the interval of the ratio of times of an item."""
    _, interval = median_ratio_interval(one.times.medians, other.times.medians, one.confidence)
    factor = other.batch / one.batch
    return interval.low * factor, interval.high * factor


def _costs_an_item(one: Served, other: Served) -> tuple[float, float]:
    """Return the interval of the ratio of costs of an item."""
    _, interval = median_ratio_interval(one.costs.medians, other.costs.medians, one.confidence)
    factor = other.batch / one.batch
    return interval.low * factor, interval.high * factor


def _change(ratio: float) -> str:
    return f"{1 - ratio:.0%} less" if ratio < 1 else f"{ratio - 1:.0%} more"


def _range(low: float, high: float) -> str:
    """Return an interval of ratios in words: `45% to 55%`, where it holds 1 `3% less to 5% more`."""
    if low < 1 < high:
        return f"{_change(low)} to {_change(high)}"
    smaller, larger = sorted((abs(1 - low), abs(1 - high)))
    return f"{smaller:.0%} to {larger:.0%}"


def _words(each: Served, among: Sequence[Served]) -> str:
    """Return an engine with what tells it from the others that could be chosen."""
    identity, words = each.condition.identity, [each.engine]
    for key, form in (("batch", "batch {}"), ("memory_mib", "{} MiB"), ("platform", "on {}"), ("architecture", "{}")):
        if len({str(other.condition.identity.get(key)) for other in among}) > 1:
            words.append(form.format(identity[key]))
    return " ".join(words)


def _winners(sound: Sequence[Served]) -> Iterator[Finding]:
    """Yield which engine has the smallest median for how many models; engines differ in nothing else then."""
    rivals: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in sound:
        rivals[all_but(each, "optimizer")].append(each)
    counted: dict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for members in rivals.values():
        if len({each.engine for each in members}) > 1:
            best = min(members, key=lambda each: each.latency_s or 0.0)
            counted[best.condition.identity["platform"], best.memory_mib, best.batch][best.engine] += 1
    for (platform, memory_mib, batch), wins in sorted(counted.items(), key=str):
        told = ", ".join(f"{engine} {count}" for engine, count in sorted(wins.items(), key=lambda item: -item[1]))
        text = f"fastest on {platform} with {memory_mib} MiB at batch {batch}, by number of models: {told}"
        yield Finding(text, numbers=dict(wins))


def _questions(sound: Sequence[Served]) -> dict[tuple[Any, ...], list[Served]]:
    found: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in sound:
        found[question(each)].append(each)
    return found


def all_but(each: Served, *names: str) -> tuple[Any, ...]:
    """Return what conditions share that differ in some factors only; they are of one run."""
    identity = {key: str(word) for key, word in each.condition.identity.items() if key not in names}
    return (each.condition.run.id, *sorted(identity.items()))
