"""What a run of the serving lab says: modes at full load, policies for real, and policies beyond the machine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Column, Figure, Finding, Method, Report, Table, about_runs
from sebsx.errors import MissingDependencyError
from sebsx.reading.conditions import caption, conditions, identity_columns, level
from sebsx.reading.starved import about_starved
from sebsx.reading.units import show
from sebsx.settings import setting
from sebsx_serving import metrics
from sebsx_serving.carried import carried, claims, overlap
from sebsx_serving.courses import latency_of, reached_s, served_of, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition
    from sebsx_serving.carried import Carried
    from sebsx_serving.courses import ServedLoad
    from sebsx_serving.simulation import Course

_OFF = 0.5  # an error of the median from which a warning is due
_OF_LOADS = frozenset({"policy", "load", "shape", "most", "benchmark", "start", "size", "part"})
_MODES = (
    Column("throughput", "inferences/s", meaning="with all workers busy", essential=True),
    Column("efficiency", "efficiency", unit="1", meaning="throughput / (workers x that of one)", essential=True),
    Column("memory_bytes", "memory", unit="bytes", meaning="PSS of the server and its workers"),
    Column("boot_s", "boot", unit="s", meaning="of a worker that is a process of its own"),
    Column("load_s", "load", unit="s", meaning="of the model"),
)
_QUANTILES = {"p50_s": 0.5, "p80_s": 0.8, "p95_s": 0.95, "p99_s": 0.99}
_LATENCIES = (
    *(Column(key, key.removesuffix("_s"), unit="s", essential=key == "p99_s") for key in _QUANTILES),
    Column("throughput", "answers/s"),
)
_COURSE = (
    Column("workers", "workers", unit="count", meaning="in the end"),
    Column("memory_bytes", "peak memory", unit="bytes", meaning="of all workers together"),
    Column("growth", "growth", meaning="peak memory over that of the beginning"),
)
_POLICY = (Column("platform", "platform"), Column("policy", "policy"), Column("load", "load"))
_ERRORS = (
    Column("p50_s", "p50", unit="s", meaning="measured"),
    Column("simulated_p50_s", "simulated p50", unit="s"),
    Column("p95_s", "p95", unit="s", meaning="measured"),
    Column("simulated_p95_s", "simulated p95", unit="s"),
    Column("p50_error", "p50 off by", unit="1", meaning="simulated over measured, less 1", essential=True),
    Column("p95_error", "p95 off by", unit="1", meaning="simulated over measured, less 1", essential=True),
    Column("throughput_error", "answers off by", unit="1", meaning="simulated over measured, less 1"),
)
_CLAIMS = (
    Column("load", "load"),
    Column("claim", "claim"),
    Column("holds", "holds", unit="count", meaning="1 where it is confirmed, 0 where not", essential=True),
    Column("because", "because"),
)
_COST = Column("thousand_usd", "per 1000 answers", unit="USD", meaning="processors and memory, by the prices set")
# From memory, in January 2025, and not checked since against https://aws.amazon.com/fargate/pricing/
_VCPU_USD, _GIB_USD = 0.04048, 0.004445
_GAIN = 1.1  # times what one worker answers, from which more of them are worth their memory
_METHOD = Method(
    of="latency and memory of a scaling policy",
    unit="the request of one load",
    interval="there is no interval: a load is served once, and its requests wait for each other; what failed or still "
    "waited in the end is later than all others",
    silent="what another service time, or a load of another shape, would meet",
    page="docs/methods/serving-lab.md",
)


@dataclass(frozen=True)
class ServingAnalyzerSettings:
    """How far the simulation goes, and what a processor costs."""

    cap: int = setting(56, help="largest number of workers that is simulated", minimum=1, maximum=64)
    simulated_s: float = setting(120.0, help="how long the simulated loads last", minimum=1, maximum=3600)
    period_s: float = setting(5.0, help="from one look of a simulated policy to the next", minimum=0.1)
    vcpu_hour_usd: float = setting(
        _VCPU_USD, help="price of a vCPU-hour; default: AWS Fargate, us-east-1, unverified", minimum=0
    )
    gib_hour_usd: float = setting(
        _GIB_USD, help="price of a GiB-hour; default: AWS Fargate, us-east-1, unverified", minimum=0
    )


class ServingAnalyzer(Analyzer[ServingAnalyzerSettings]):
    """Scaling efficiency by mode, policies as served and as simulated, and the study's claims."""

    name = "serving-lab"
    summary = "serving modes and scaling policies: latency, memory, throughput and cost, real and simulated"
    Settings: ClassVar[type[Any]] = ServingAnalyzerSettings

    def analyze(self, runs: Sequence[RunView], settings: ServingAnalyzerSettings) -> Report:
        """Return the report of one or more runs."""
        found = conditions(runs, (metrics.THROUGHPUT, metrics.MEMORY, metrics.BOOT, metrics.LOAD))
        busy = [each for each in found if "workers" in each.identity] or [
            each for each in found if "policy" not in each.identity
        ]
        served = [(view, each) for view in runs for each in served_of(view)]
        simulated: list[Carried] = []
        errors: list[dict[str, Any]] = []
        missing = ""
        try:
            for view in runs:
                simulated += carried(
                    view, most=settings.cap, duration_s=settings.simulated_s, period_s=settings.period_s
                )
            errors = [_error(each, overlap(each, view)) for view, each in served if not each.crowded]
        except MissingDependencyError as exc:
            missing = f"nothing was simulated beyond this machine: {exc}"
        tables = [
            *_modes(busy),
            *_served(served),
            *_validation(errors),
            *_simulated(simulated, settings),
            *_claims(simulated),
        ]
        starved = about_starved(
            [str(level(each, "policy") or level(each, "mode")) for each in found],
            [each.starved for each in found],
            "its times are those of a busy machine",
        )
        return Report(
            "Serving lab",
            tables=tables,
            figures=list(_drawn(simulated)),
            findings=[
                *_claimed(simulated),
                *_wide(errors),
                *_crowded(served),
                *_unserved(found, served),
                *([Finding(missing, warning=True)] if missing else []),
                *starved,
                *about_runs(runs),
            ],
            answers=list(_answers(busy, simulated, errors, settings)),
            methods=[_METHOD] if served else [],
        )


def _value(condition: Condition, metric: str) -> float | None:
    values = condition.values(metric)
    return float(sorted(values)[len(values) // 2]) if len(values) else None


def _efficiencies(busy: Sequence[Condition]) -> dict[int, float]:
    """Return throughput over that of as many single workers, by the place of the condition."""
    ones: dict[Any, float] = {}
    for each in busy:
        speed = _value(each, metrics.THROUGHPUT)
        if each.identity.get("workers") == 1 and speed:
            ones[_beside(each)] = speed
    found = {}
    for place, each in enumerate(busy):
        speed, one = _value(each, metrics.THROUGHPUT), ones.get(_beside(each))
        if speed and one and each.identity.get("workers"):
            found[place] = speed / (one * each.identity["workers"])
    return found


def _beside(condition: Condition) -> tuple[Any, ...]:
    held = {key: str(word) for key, word in condition.identity.items() if key != "workers"}
    return (condition.run.id, *sorted(held.items()))


def _modes(busy: Sequence[Condition]) -> Iterator[Table]:
    if not busy:
        return
    identity = [column for column in identity_columns(busy) if column.key not in _OF_LOADS]
    efficiencies = _efficiencies(busy)
    rows = [
        {
            **{column.key: level(each, column.key) for column in identity},
            "throughput": _value(each, metrics.THROUGHPUT),
            "efficiency": efficiencies.get(place),
            "memory_bytes": _value(each, metrics.MEMORY),
            "boot_s": _value(each, metrics.BOOT),
            "load_s": _value(each, metrics.LOAD),
        }
        for place, each in enumerate(busy)
    ]
    yield Table("modes", columns=(*identity, *_MODES), rows=rows, caption=caption(busy))


def _served(served: Sequence[tuple[RunView, ServedLoad]]) -> Iterator[Table]:
    if served:
        rows = [{**_named(each), **_row(each.course)} for _, each in served]
        yield Table("policies", columns=(*_POLICY, *_LATENCIES, *_COURSE), rows=rows, caption="measured")


def _named(each: ServedLoad) -> dict[str, Any]:
    return {"platform": each.cell.factors["platform"], "policy": each.policy, "load": each.load.kind}


def _row(course: Course) -> dict[str, Any]:
    memory = [each for _, each in course.memory if each]
    return {
        **{key: latency_of(course, q) for key, q in _QUANTILES.items()},
        **summary(course),
        "workers": course.workers[-1][1] if course.workers else None,
        "memory_bytes": max(memory, default=None),
        "growth": max(memory) / memory[0] if memory else None,
    }


def _error(real: ServedLoad, simulated: Course) -> dict[str, Any]:
    def off(mine: float | None, theirs: float | None) -> float | None:
        return theirs / mine - 1 if mine and theirs is not None else None

    (p50, model_p50), (p95, model_p95) = (
        [latency_of(course, q) for course in (real.course, simulated)] for q in (0.5, 0.95)
    )
    return {
        **_named(real),
        "p50_s": p50,
        "simulated_p50_s": model_p50,
        "p95_s": p95,
        "simulated_p95_s": model_p95,
        "p50_error": off(p50.value, model_p50.value),
        "p95_error": off(p95.value, model_p95.value),
        "throughput_error": off(*(summary(course)["throughput"] for course in (real.course, simulated))),
    }


def _validation(errors: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    if errors:
        note = "the same loads, caps and service times, measured and simulated"
        yield Table("validation", columns=(*_POLICY, *_ERRORS), rows=errors, caption=note)


def _simulated(simulated: Sequence[Carried], settings: ServingAnalyzerSettings) -> Iterator[Table]:
    if not simulated:
        return
    rows = [
        {
            "policy": each.policy,
            "load": each.load.kind,
            **_row(each.course),
            "thousand_usd": each.usd_per_thousand(settings.vcpu_hour_usd, settings.gib_hour_usd),
        }
        for each in simulated
    ]
    note = f"simulated with up to {settings.cap} workers: 100 users joining 2/s with 2 to 3 s of thought, 0 to 100/s"
    if (settings.vcpu_hour_usd, settings.gib_hour_usd) == (_VCPU_USD, _GIB_USD):
        note += "; cost by prices of AWS Fargate that nobody verified (-s vcpu_hour_usd, -s gib_hour_usd)"
    yield Table("simulated", columns=(*_POLICY[1:], *_LATENCIES, *_COURSE, _COST), rows=rows, caption=note)


def _claims(simulated: Sequence[Carried]) -> Iterator[Table]:
    rows = [
        {
            "load": claim.load,
            "claim": claim.name,
            "holds": None if claim.confirmed is None else int(claim.confirmed),
            "because": claim.because,
        }
        for claim in claims(simulated)
    ]
    if rows:
        yield Table("claims", columns=_CLAIMS, rows=rows, caption="of the study about hybrid scaling, simulated")


def _claimed(simulated: Sequence[Carried]) -> Iterator[Finding]:
    words = {True: "confirmed", False: "not confirmed", None: "cannot be told"}
    for claim in claims(simulated):
        text = f"{claim.load}: the study says of hybrid scaling that {claim.text}: {words[claim.confirmed]}; "
        numbers = {"load": claim.load, "confirmed": claim.confirmed}
        yield Finding(f"{text}{claim.because} (simulated)", numbers=numbers)


def _crowded(served: Sequence[tuple[RunView, ServedLoad]]) -> Iterator[Finding]:
    for _, each in served:
        if each.crowded:
            workers = each.course.workers[-1][1]
            text = (
                f"{each.cell.factors['platform']}, {each.policy}, {each.load.kind}: {workers} sandboxes shared "
                f"{each.most} processors; its times are those of a crowded machine and not held against the simulation"
            )
            yield Finding(text, numbers={"workers": workers, "processors": each.most})


def _unserved(found: Sequence[Condition], served: Sequence[tuple[RunView, ServedLoad]]) -> Iterator[Finding]:
    known = {(view.run.id, each.cell.id) for view, each in served}
    for each in found:
        if each.identity.get("policy") and each.cell and (each.run.id, each.cell.id) not in known:
            text = f"{each.identity['policy']}, {each.identity['load']}: no request was answered while the load lasted"
            yield Finding(text, warning=True)


def _wide(errors: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for row in errors:
        if row["p50_error"] is not None and abs(row["p50_error"]) > _OFF:
            yield Finding(
                f"{row['platform']}, {row['policy']}, {row['load']}: the simulated median is {row['p50_error']:+.0%} "
                "off the measured one: what is simulated beyond the machine is no better than that",
                numbers={"p50_error": row["p50_error"]},
                warning=True,
            )


def _modes_to_use(busy: Sequence[Condition]) -> Iterator[str]:
    """Yield for each kind of work the mode that most workers serve it best in; none where one of them was starved."""
    efficiencies = _efficiencies(busy)
    gains: dict[Any, dict[str, float]] = defaultdict(dict)
    most = max((each.identity.get("workers") or 0 for each in busy), default=0)
    starved = {_kind_of_work(each) for each in busy if each.was_starved}
    for place, each in enumerate(busy):
        if most > 1 and each.identity.get("workers") == most and place in efficiencies:
            gains[_kind_of_work(each)][str(each.identity.get("mode"))] = efficiencies[place] * most
    for kind, by_mode in gains.items():
        platform, work = kind
        where = f"work that {'holds' if work == 'held' else 'releases'} the interpreter lock"
        best = max(by_mode, key=lambda mode: by_mode[mode])
        others = ", ".join(f"{mode} {gain:.2f} times" for mode, gain in by_mode.items() if mode != best)
        beside = f" ({others})" if others else ""
        if kind in starved:
            yield f"{platform}: nothing is recommended for {where}; the warnings say why"
        elif by_mode[best] < _GAIN:
            gained = f"{most} {best} answer {by_mode[best]:.2f} times as much"
            yield f"{platform}: one worker is enough for {where}: {gained}{beside}"
        else:
            gained = f"{most} answer {by_mode[best]:.2f} times as much as one"
            yield f"{platform}: use {best} for {where}: {gained}{beside}"


def _kind_of_work(condition: Condition) -> tuple[Any, Any]:
    return condition.identity.get("platform"), condition.identity.get("work")


def _answers(
    busy: Sequence[Condition],
    simulated: Sequence[Carried],
    errors: Sequence[Mapping[str, Any]],
    settings: ServingAnalyzerSettings,
) -> Iterator[str]:
    yield from _modes_to_use(busy)
    known = [abs(row["p50_error"]) for row in errors if row["p50_error"] is not None]
    for kind in dict.fromkeys(each.load.kind for each in simulated):
        mine = [(latency_of(each.course, 0.99), each.policy) for each in simulated if each.load.kind == kind]
        told = [(order, policy, p99) for p99, policy in mine if (order := reached_s(p99)) is not None]
        ranked = [(policy, p99) for _, policy, p99 in sorted(told, key=lambda each: each[:2])]
        if ranked:
            off = f"; medians of the simulation are up to {max(known):.0%} off the measured ones" if known else ""
            tails = ", ".join(f"{policy} {show(p99, 's')}" for policy, p99 in ranked)
            yield f"{kind}, up to {settings.cap} workers (simulated): p99 of {tails}{off}"


def _drawn(simulated: Sequence[Carried]) -> Iterator[Figure]:
    time = Column("time_s", "time", unit="s")
    for kind in dict.fromkeys(each.load.kind for each in simulated):
        mine = [each for each in simulated if each.load.kind == kind and each.course.latency_s]
        if not mine:
            continue
        quantiles = [place / 100 for place in range(5, 100, 5)] + [0.99]
        samples = {each.policy: len(each.course.latency_s) for each in mine}
        yield Figure(
            f"latency-{kind}", "line", title=f"Latency by quantile under {kind}, simulated",
            x=Column("quantile", "quantile", unit="1"), y=Column("latency_s", "latency", unit="s"), log="y",
            samples=samples,
            series={each.policy: _quantiles(each.course, quantiles) for each in mine},
        )  # fmt: skip
        yield Figure(
            f"memory-{kind}", "line", title=f"Memory over time under {kind}, simulated", x=time,
            y=Column("memory_bytes", "memory", unit="bytes"), samples=samples,
            series={each.policy: _steps(each.course) for each in mine},
        )  # fmt: skip


def _quantiles(course: Course, quantiles: Sequence[float]) -> list[tuple[float, float]]:
    found = ((q, latency_of(course, q).value) for q in quantiles)
    return [(q, latency_s) for q, latency_s in found if latency_s is not None]


def _steps(course: Course) -> list[tuple[float, float]]:
    """Return the corners of memory over time."""
    points: list[tuple[float, float]] = []
    for at_s, size in course.memory:
        if points:
            points.append((at_s, points[-1][1]))
        points.append((at_s, size))
    return [*points, (course.duration_s, points[-1][1])] if points else []
