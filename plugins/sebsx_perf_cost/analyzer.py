"""What a perf-cost run says: latency and cost of each configuration, cold and warm, and which one to take."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from math import fsum
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.analyzers import Analyzer, Column, Estimate, Figure, Finding, Report, Table
from sebsx.model import CellStatus, RunStatus
from sebsx.settings import setting
from sebsx.stats import (
    TooFewSamplesError,
    cv,
    ecdf,
    median,
    order_statistic_interval,
    ratio_interval,
    tail_quantile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.store.reader import RunView

TOO_SMALL = "n too small"

_IDENTITY = (
    Column("run", "run"),
    Column("platform", "platform"),
    Column("region", "region"),
    Column("benchmark", "benchmark"),
    Column("size", "size"),
    Column("language", "language"),
    Column("architecture", "architecture"),
    Column("memory_mib", "MiB", "", "memory as the platform reports it"),
    Column("start", "start", "", "what the design asked for"),
)
_KEYS = tuple(column.key for column in _IDENTITY)

_LATENCY = (
    Column("ok", "ok", "count", "measured invocations that count"),
    Column("failed", "failed", "count", "measured invocations that failed"),
    Column("median_s", "median", "s", "client latency, with the interval of its median"),
    Column("p90_s", "p90", "s", "client latency"),
    Column("p99_s", "p99", "s", "client latency"),
    Column("cv", "CV", "1", "standard deviation over mean of the client latency"),
)
_BREAKDOWN = (
    Column("function_s", "function", "s", "median time in the handler"),
    Column("provider_s", "provider", "s", "median of the provider's duration minus the function's"),
    Column("init_s", "init", "s", "median initialisation, as the provider reports it"),
    Column("client_s", "client", "s", "median of the latency minus all that: network and gateway"),
    Column("memory_bytes", "memory used", "bytes", "largest peak of any invocation"),
    Column("million_usd", "per million", "USD", "mean cost, times a million"),
)
_OVERHEAD = (
    Column("cold_s", "cold median", "s", "client latency"),
    Column("warm_s", "warm median", "s", "client latency"),
    Column("ratio", "cold / warm", "", "median of all ratios of a cold to a warm latency"),
)
_WANTED = (
    *_KEYS[:-1], "start_wanted", "deployment_id", "cell_id", "kind", "status", "start_type", "start_evidence", "error",
    "client_latency_s", "function_duration_s", "provider_duration_s", "provider_init_s", "provider_max_memory_bytes",
    "cost_usd",
)  # fmt: skip


@dataclass(frozen=True)
class PerfCostAnalyzerSettings:
    """How the report is made."""

    confidence: float = setting(0.95, help="confidence of the intervals, 0.5 to 0.999", minimum=0.5)
    cost_weight: float = setting(0.5, help="weight of cost against duration in the balanced choice, 0 to 1", minimum=0)

    def __post_init__(self) -> None:
        if self.confidence > 0.999:
            raise ValueError("confidence must be at most 0.999")
        if self.cost_weight > 1:
            raise ValueError("cost_weight must be at most 1")


@dataclass
class _Group:
    """The measured invocations of one configuration under one wanted start."""

    identity: Mapping[str, Any]
    latency: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cost: list[float] = field(default_factory=list)
    memory_bytes: int | None = None
    failed: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    wrong_start: int = 0
    disagreeing: int = 0

    @property
    def configuration(self) -> tuple[Any, ...]:
        """Identity without the start."""
        return tuple(self.identity[key] for key in _KEYS[:-1])

    @property
    def million_usd(self) -> float | None:
        """Mean cost of a million invocations; costs add up, so their mean is the right one."""
        return 1e6 * fsum(self.cost) / len(self.cost) if self.cost else None

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one measured invocation."""
        self.disagreeing += _disagrees(row["start_evidence"])
        if row["status"] != "ok":
            self.failed[row["status"]] += 1
            self.errors.setdefault(row["status"], row["error"] or "no reason given")
        elif self.identity["start"] in {"cold", "warm"} and row["start_type"] != self.identity["start"]:
            self.wrong_start += 1
        else:
            self._count(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        self.latency.append(row["client_latency_s"])
        for part, value in _parts(row):
            self.parts[part].append(value)
        if row["cost_usd"] is not None:
            self.cost.append(row["cost_usd"])
        if row["provider_max_memory_bytes"] is not None:
            self.memory_bytes = max(self.memory_bytes or 0, row["provider_max_memory_bytes"])


class PerfCostAnalyzer(Analyzer[PerfCostAnalyzerSettings]):
    """Latency, its parts and cost per configuration; the cheapest, the fastest and the balanced choice."""

    name: ClassVar[str] = "perf-cost"
    summary: ClassVar[str] = "latency, cold-start overhead, cost and the memory size to take"
    Settings: ClassVar[type[Any]] = PerfCostAnalyzerSettings

    def analyze(self, runs: Sequence[RunView], settings: PerfCostAnalyzerSettings) -> Report:
        """Return the report over all configurations of all runs."""
        groups = _gather(runs)
        identity = _telling(groups)
        tables = (
            Table("latency", (*identity, *_LATENCY), [_latency(group, settings) for group in groups], _caption(groups)),
            Table("breakdown", (*identity, *_BREAKDOWN), [_breakdown(group) for group in groups], "medians of parts"),
            *_overhead(groups, identity, settings),
        )
        findings = [*_about_runs(runs), *_about_deployments(runs), *_about_samples(groups), *_choices(groups, settings)]
        return Report("Performance and cost", tables if groups else (), _figures(groups), findings)


def _gather(runs: Sequence[RunView]) -> list[_Group]:
    """Return the groups in the order in which the runs first came to them."""
    groups: dict[tuple[Any, ...], _Group] = {}
    for run in runs:
        places: dict[tuple[int, int | None], _Group] = {}
        for row in run.rows(columns=_WANTED):
            if row["kind"] != "measured":
                continue
            place = (row["deployment_id"], row["cell_id"])
            if place not in places:
                key = (*(row[name] for name in _KEYS[:-1]), row["start_wanted"])
                places[place] = groups.setdefault(key, _Group(dict(zip(_KEYS, key, strict=True))))
            places[place].add(row)
    return list(groups.values())


def _parts(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what is known of where one latency went; the parts add up to it."""
    function, provider = row["function_duration_s"], row["provider_duration_s"]
    init = row["provider_init_s"] or 0.0
    if function is not None:
        yield "function_s", function
    if row["provider_init_s"] is not None:
        yield "init_s", init
    if provider is not None:
        yield "client_s", row["client_latency_s"] - provider - init
        if function is not None:
            yield "provider_s", provider - function
    elif function is not None:
        yield "client_s", row["client_latency_s"] - function - init


@lru_cache(maxsize=64)  # a run holds a handful of different evidences
def _disagrees(evidence: str) -> bool:
    try:
        told = json.loads(evidence)
        return {told.get("function"), told.get("provider")} == {StartType.COLD, StartType.WARM}
    except (ValueError, AttributeError, TypeError):
        return False


def _latency(group: _Group, settings: PerfCostAnalyzerSettings) -> dict[str, Any]:
    return {
        **group.identity,
        "ok": len(group.latency),
        "failed": group.failed.total(),
        "median_s": _median(group.latency, settings.confidence),
        "p90_s": _tail(group.latency, 0.9),
        "p99_s": _tail(group.latency, 0.99),
        "cv": cv(group.latency),
    }


def _breakdown(group: _Group) -> dict[str, Any]:
    parts = {name: median(group.parts[name]) if group.parts.get(name) else None for name in _part_names()}
    return {**group.identity, **parts, "memory_bytes": group.memory_bytes, "million_usd": group.million_usd}


def _part_names() -> list[str]:
    return [column.key for column in _BREAKDOWN if column.unit == "s"]


def _median(values: Sequence[float], confidence: float) -> Estimate:
    if not values:
        return Estimate(None, note="no samples")
    try:
        interval = order_statistic_interval(values, confidence)
    except TooFewSamplesError:
        return Estimate(median(values), confidence=confidence, n=len(values), note=TOO_SMALL)
    return Estimate(median(values), interval.low, interval.high, confidence, len(values))


def _tail(values: Sequence[float], q: float) -> Estimate:
    try:
        return Estimate(tail_quantile(values, q), n=len(values))
    except TooFewSamplesError:
        return Estimate(None, n=len(values), note=TOO_SMALL)


def _telling(groups: Sequence[_Group]) -> list[Column]:
    """Return the identity columns that tell rows apart; what all share stands in the caption."""
    always = {"benchmark", "memory_mib", "start"}
    return [column for column in _IDENTITY if column.key in always or len(_levels(groups, column.key)) > 1]


def _levels(groups: Iterable[_Group], key: str) -> set[Any]:
    return {group.identity[key] for group in groups}


def _caption(groups: Sequence[_Group]) -> str:
    telling = {column.key for column in _telling(groups)}
    shared = [key for key in _KEYS if groups and key not in telling and groups[0].identity[key] not in (None, "")]
    return ", ".join(f"{key} {groups[0].identity[key]}" for key in shared)


def _by_configuration(groups: Iterable[_Group]) -> dict[tuple[Any, ...], dict[str | None, _Group]]:
    found: dict[tuple[Any, ...], dict[str | None, _Group]] = defaultdict(dict)
    for group in groups:
        found[group.configuration][group.identity["start"]] = group
    return found


def _overhead(
    groups: Sequence[_Group], identity: Sequence[Column], settings: PerfCostAnalyzerSettings
) -> Iterator[Table]:
    rows = []
    for starts in _by_configuration(groups).values():
        if "cold" in starts and "warm" in starts:
            cold, warm = starts["cold"], starts["warm"]
            rows.append(
                {
                    **{key: value for key, value in cold.identity.items() if key != "start"},
                    "cold_s": _median(cold.latency, settings.confidence),
                    "warm_s": _median(warm.latency, settings.confidence),
                    "ratio": _ratio(cold.latency, warm.latency, settings.confidence),
                }
            )
    if rows:
        columns = [column for column in identity if column.key != "start"]
        yield Table("cold-start", (*columns, *_OVERHEAD), rows, "what a cold start costs")


def _ratio(values: Sequence[float], base: Sequence[float], confidence: float) -> Estimate:
    try:
        ratio, interval = ratio_interval(values, base, confidence)
    except TooFewSamplesError:
        return Estimate(None, confidence=confidence, note=TOO_SMALL)
    return Estimate(ratio, interval.low, interval.high, confidence, interval.n)


def _about_runs(runs: Sequence[RunView]) -> Iterator[Finding]:
    if not runs:
        yield Finding("there is no run to analyse", warning=True)
    for view in runs:
        run = view.run
        if not view.counts():
            yield Finding(f"run {run.id} holds no invocations", {"run": run.id}, warning=True)
        if run.status is not RunStatus.FINISHED:
            reason = f": {run.error}" if run.error else ""
            text = f"run {run.id} is {run.status.value}{reason}; this is what it stored"
            yield Finding(text, {"run": run.id, "status": run.status.value}, warning=True)
        for cell in view.cells():
            label = " ".join(str(level) for name, level in cell.factors.items() if level and name != "parameters")
            if cell.status in {CellStatus.FAILED, CellStatus.UNSUPPORTED}:
                reason = cell.error or cell.stop_reason or "no reason given"
                numbers = {"run": run.id, "cell": cell.position, "status": cell.status.value}
                yield Finding(f"{label}: {cell.status.value}: {reason}", numbers, warning=True)


def _about_deployments(runs: Sequence[RunView]) -> Iterator[Finding]:
    seen = set()
    for view in runs:
        for item in view.deployments():
            asked = item.requested["memory_mib"]
            key = (item.platform, item.benchmark, asked, item.memory_mib)
            if asked != item.memory_mib and key not in seen:
                seen.add(key)
                text = f"{item.platform} gave {item.benchmark} {item.memory_mib} MiB where {asked} MiB were asked for"
                yield Finding(text, {"requested_mib": asked, "effective_mib": item.memory_mib}, warning=True)


def _about_samples(groups: Sequence[_Group]) -> Iterator[Finding]:
    for group in groups:
        name = _label(group, groups)
        n = len(group.latency) + group.failed.total() + group.wrong_start
        for status, count in sorted(group.failed.items()):
            example = group.errors[status].splitlines()[0][:200]
            text = f"{name}: {count} of {n} ended as {status}, the first with: {example}"
            yield Finding(text, {"status": status, "count": count, "n": n}, warning=True)
        if group.wrong_start:
            text = f"{name}: {group.wrong_start} of {n} were not {group.identity['start']} and are not counted"
            yield Finding(text, {"wrong_start": group.wrong_start, "n": n}, warning=True)
        if group.disagreeing:
            text = f"{name}: function and provider disagree on the start of {group.disagreeing} of {n}"
            yield Finding(text, {"disagreeing": group.disagreeing, "n": n}, warning=True)
        for part, values in group.parts.items():
            negative = sum(value < 0 for value in values)
            if negative:
                text = (
                    f"{name}: {part.removesuffix('_s')} time is negative in {negative} of {len(values)}: "
                    "the clocks of function, provider and client do not fit together"
                )
                yield Finding(text, {"part": part, "negative": negative, "n": len(values)}, warning=True)


def _label(group: _Group, groups: Sequence[_Group]) -> str:
    levels = [(column.key, group.identity[column.key]) for column in _telling(groups)]
    return " ".join(f"{level} MiB" if key == "memory_mib" else str(level) for key, level in levels if level is not None)


def _choices(groups: Sequence[_Group], settings: PerfCostAnalyzerSettings) -> Iterator[Finding]:
    """Name the cheapest, the fastest and the balanced memory size of whatever was measured at several.

    Source of the balanced choice: w * cost / max_cost + (1 - w) * duration / max_duration, the least is taken.
    """
    for name, sizes in _sweeps(groups):
        cost = {size: group.million_usd for size, group in sizes.items() if group.million_usd is not None}
        duration = {size: median(sizes[size].latency) for size in cost}
        if len(cost) < 2:
            continue
        most, longest, weight = max(cost.values()) or 1.0, max(duration.values()) or 1.0, settings.cost_weight
        score = {size: weight * cost[size] / most + (1 - weight) * duration[size] / longest for size in cost}
        for choice, by in (("cheapest", cost), ("fastest", duration), ("balanced", score)):
            size = min(by, key=lambda each: (by[each], each))
            text = f"{name}: {choice} is {size} MiB, {duration[size]:.4g} s and {cost[size]:.4g} USD per million"
            numbers = {
                "choice": choice, "memory_mib": size, "median_s": duration[size], "million_usd": cost[size],
                "score": score[size],
            }  # fmt: skip
            yield Finding(text, numbers)


def _sweeps(groups: Sequence[_Group]) -> Iterator[tuple[str, dict[int, _Group]]]:
    """Yield what differs in memory only, by memory: the warm ones where there are any, else the first start."""
    sweeps: dict[tuple[Any, ...], dict[str | None, dict[int, _Group]]] = defaultdict(lambda: defaultdict(dict))
    for group in groups:
        if group.latency:
            rest = tuple(group.identity[key] for key in _KEYS[:-2])
            sweeps[rest][group.identity["start"]][group.identity["memory_mib"]] = group
    telling = {column.key for column in _telling(groups)}
    for rest, starts in sweeps.items():
        start = "warm" if "warm" in starts else next(iter(starts))
        levels = [str(level) for key, level in zip(_KEYS, rest, strict=False) if key in telling and level is not None]
        yield " ".join([*levels, *([start] if start else [])]), starts[start]


def _figures(groups: Sequence[_Group]) -> list[Figure]:
    if not any(group.latency for group in groups):
        return []
    latency = Column("client_latency_s", "client latency", "s")
    distributions = {_label(group, groups): ecdf(group.latency) for group in groups if group.latency}
    share = Column("share", "share of invocations", "1")
    figures = [Figure("latency-ecdf", "ecdf", "Distribution of the client latency", latency, share, distributions)]
    memory = {
        name: sorted((float(size), median(group.latency)) for size, group in sizes.items())
        for name, sizes in _sweeps(groups)
        if len(sizes) > 1
    }
    if memory:
        x = Column("memory_mib", "memory in MiB", "", "as the platform reports it")
        y = Column("median_s", "median latency", "s")
        figures.append(Figure("memory-latency", "line", "Median latency by memory", x, y, memory))
    return figures
