"""What a run of dnn-inference says: how fast each engine is, what its cold start is made of, and which one to take."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Finding,
    IntervalSettings,
    Method,
    Report,
    Table,
    about_emulation,
    about_limits,
    about_runs,
)
from sebsx.reading.conditions import caption, conditions, identity_columns, level
from sebsx.reading.doubts import about_conditions
from sebsx.settings import setting
from sebsx_dnn_inference import beginnings, experiment, figures, findings, memory, predicting, reuse, served, tradeoffs
from sebsx_dnn_inference.served import Served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition

_SPEED = (
    Column(
        "latency_s", "inference", unit="s", meaning="median of one, the first of a sandbox left out", essential=True
    ),
    Column("p90_s", "p90", unit="s"),
    Column("throughput", "items/s", meaning="batch by median: what one busy sandbox serves"),
    Column("relative", "against batch 1", meaning="(B / latency(B)) / (1 / latency(1))"),
    Column("thousand_usd", "per 1000 items", unit="USD", meaning="mean cost in warm sandboxes"),
    Column("peak_bytes", "peak memory", unit="bytes", meaning="of the process, largest of all sandboxes"),
    Column("n", "n", unit="count", meaning="warm inferences"),
    Column("sandboxes", "sandboxes", unit="count", meaning="different ones: the units of the interval"),
    Column("taken_from", "measured in", meaning="the run, where it is not this one"),
)
_COLD = (
    Column("boot_s", "boot", unit="s", meaning="from the start of the process to the runtime"),
    Column("library_s", "library", unit="s", meaning="importing the engine and numpy"),
    Column("download_s", "download", unit="s", meaning="the model from the storage; nothing where it is packaged"),
    Column("load_s", "model", unit="s", meaning="loading the model into the engine"),
    Column("first_s", "first inference", unit="s", meaning="which also does what loading put off"),
    Column("latency_s", "later inference", unit="s"),
)
_CONVERSION = (
    Column("model", "model"),
    Column("engine", "engine"),
    Column("conversion_s", "conversion", unit="s", meaning="in a process of its own, imports included"),
    Column("conversion_peak_bytes", "its memory", unit="bytes"),
    Column("original_bytes", "original", unit="bytes"),
    Column("converted_bytes", "converted", unit="bytes"),
    Column("difference", "difference", unit="1", meaning="of the output, as a share of its largest value"),
)
_METHOD = Method(
    of="time of an inference",
    unit="the sandbox, whose value is the median of its warm inferences",
    interval="the interval is that of order statistics of the sandboxes, and "
    "a call that failed is later than all others",
    silent="how an engine does when calls of several clients share a sandbox",
    page="docs/methods/dnn-inference.md",
)


@dataclass(frozen=True)
class DnnAnalyzerSettings(IntervalSettings):
    """How sure intervals are, and what the recommendation weighs."""

    base_memory_mib: int = setting(
        2048, help="memory that cost-performance is 1 at, in MiB; the smallest measured where it was not", minimum=1
    )
    emulated: bool = setting(False, help="choose among emulated processors as well")


class DnnAnalyzer(Analyzer[DnnAnalyzerSettings]):
    """Latency, throughput, cold start, conversion and one recommendation."""

    name = "dnn-inference"
    summary = "which engine, batch and memory size serve a model best"
    Settings: ClassVar[type[Any]] = DnnAnalyzerSettings
    columns = served.COLUMNS

    def analyze(self, runs: Sequence[RunView], settings: DnnAnalyzerSettings) -> Report:
        """Return the report of one or more runs."""
        measured, gone, views = _served(runs, settings.confidence)
        found = [each.condition for each in measured]
        known = [each for each in measured if each.latency_s is not None]
        free = findings.without_size(known)
        sound = [each for each in known if each not in free and findings.is_sound(each, emulated=settings.emulated)]
        predicted, foretold = predicting.predictions(sound)
        loading, gains = beginnings.loading(known)
        more = [table for table in (loading, tradeoffs.front(sound), predicted) if table is not None]
        own = [view for view in runs if view.counts() or all(each.condition.run.id != view.run.id for each in measured)]
        return Report(
            "DNN inference",
            tables=(*_tables(measured, known, found, settings), *more),
            figures=tuple(figures.drawn(known, found, views)),
            findings=[
                *findings.said(sound, found),
                *beginnings.unexplained(known, found),
                *gains,
                *memory.knees(sound, found),
                *memory.cold_shares(sound, found),
                *tradeoffs.orders(sound),
                *foretold,
                *_taken(measured, gone),
                *_images(found),
                *about_conditions(found),
                *(about_limits(runs) if free else ()),
                *about_emulation(runs),
                *(about_runs(own) if own or not runs else ()),
            ],
            answers=[*findings.recommendations(sound), *findings.undecided(known, sound)],
            methods=[_METHOD] if any(len(each.times) for each in measured) else [],
        )


def _served(runs: Sequence[RunView], confidence: float) -> tuple[list[Served], list[str], dict[str, RunView]]:
    """Return what runs measured and what they took from earlier ones, what is said of those that are gone, and both."""
    taken, gone = reuse.reused(runs, served.COLUMNS)
    views = {view.run.id: view for view in runs} | {run_id: view for _, run_id, view in taken}
    stored = _figures_of_cells(list(views.values()))
    own = [(each, each.run.id) for each in conditions(runs, served.COLUMNS)]
    found = []
    for condition, run_id in (*own, *((condition, run_id) for condition, run_id, _ in taken)):
        known = stored.get((run_id, condition.cell.id), {}) if condition.cell else {}
        came = run_id if run_id != condition.run.id else ""
        found.append(Served(condition, known, confidence, came))
    return found, gone, views


def _taken(measured: Sequence[Served], gone: Sequence[str]) -> Iterator[Finding]:
    """Yield from which runs conditions were taken, and which of those can no longer be read."""
    counts = Counter(each.taken_from for each in measured if each.taken_from)
    for run_id, count in counts.items():
        text = f"{count} of {len(measured)} conditions were measured in run {run_id} and are reused"
        yield Finding(text, numbers={"reused": count})
    for text in gone:
        yield Finding(text, numbers={}, warning=True)


def _figures_of_cells(runs: Sequence[RunView]) -> dict[tuple[str, int], dict[str, float]]:
    found: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for view in runs:
        for value in view.values():
            if value.cell_id is not None and value.metric.startswith("dnn.") and value.value is not None:
                found[view.run.id, value.cell_id][value.metric] = value.value
    return found


def _tables(
    measured: Sequence[Served], known: Sequence[Served], found: Sequence[Condition], settings: DnnAnalyzerSettings
) -> Iterator[Table]:
    answered = [each for each in measured if len(each.times)]  # of which most may have failed
    if not answered:
        return
    identity = [column for column in identity_columns(found) if column.key != "start"]
    told, ratios = caption(found), findings.against_one(known)

    def named(each: Served) -> dict[str, Any]:
        return {column.key: level(each.condition, column.key) for column in identity}

    speed = [{**named(each), **_speed(each, ratios.get(id(each)))} for each in answered]
    yield Table("inference", columns=(*identity, *_SPEED), rows=speed, caption=told)
    cold = [{**named(each), **_cold(each)} for each in answered]
    yield Table("cold-start", columns=(*identity, *_COLD), rows=cold, caption="medians of first calls")
    rows = findings.cost_performance(known, settings.base_memory_mib)
    if rows:
        sizes = sorted({size for row in rows for size in row if isinstance(size, int)})
        columns = [Column(key, key) for key in ("model", "engine", "batch", "platform")]
        columns += [Column(str(size), f"{size} MiB", essential=True) for size in sizes]
        rows = [{str(key): value for key, value in row.items()} for row in rows]
        note = "CP(M) = M / base * latency(M) / latency(base): below 1, memory of that size earns what it costs"
        yield Table("cost-performance", columns=columns, rows=rows, caption=note)
    conversions = {(each.model, each.engine): each for each in known if each.figures}
    if conversions:
        yield Table("conversions", columns=_CONVERSION, rows=[_conversion(each) for each in conversions.values()])


def _speed(each: Served, relative: float | None) -> dict[str, Any]:
    return {
        "latency_s": each.latency,
        "p90_s": each.tail,
        "throughput": each.throughput,
        "relative": relative,
        "thousand_usd": each.cost if each.cost.value is not None else None,
        "peak_bytes": each.peak_bytes,
        "n": len(each.times),
        "sandboxes": each.times.count or None,
        "taken_from": each.taken_from or None,
    }


def _cold(each: Served) -> dict[str, Any]:
    return {
        "boot_s": each.cold("function.boot_s"),
        "library_s": each.cold(served.LIBRARY),
        "download_s": each.cold(served.DOWNLOAD).value,
        "load_s": each.cold(served.LOAD),
        "first_s": each.cold(served.INFERENCE),
        "latency_s": each.latency.value,
    }


def _conversion(each: Served) -> dict[str, Any]:
    names = {
        "conversion_s": experiment.CONVERSION,
        "conversion_peak_bytes": experiment.CONVERSION_PEAK,
        "original_bytes": experiment.ORIGINAL,
        "converted_bytes": experiment.CONVERTED,
        "difference": experiment.DIFFERENCE,
    }
    figures = {key: each.figures.get(metric) for key, metric in names.items()}
    return {"model": each.model, "engine": each.engine, **figures}


def _images(found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield which engines went as container images: because that was asked for, or because no zip takes them."""
    names = {
        (each.identity["platform"], str(each.identity.get("optimizer")))
        for each in found
        if any(deployment.effective.get("package") == "image" for deployment in each.deployments)
    }
    for platform, engine in sorted(names):
        yield Finding(f"{engine} went to {platform} as a container image", numbers={"engine": engine})
