"""Runs of ten kinds, as their pages show them: what a reader meets, from a sweep of sizes to a run that failed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sebsx.cli.app import App
from sebsx.model import CellStatus, Design, RunStatus, StartType, Status
from sebsx.reading.comparison import compare_runs
from sebsx.reading.pages import rendered
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

Fill = Callable[[Store], Sequence[str]]
REASON = "the account is closed\n  Traceback (most recent call last):\n    " + "a very long line of the platform, " * 12


def latencies(rng: random.Random, median_s: float, n: int = 30, spread: float = 0.15) -> list[float]:
    return [median_s * rng.lognormvariate(0, spread) for _ in range(n)]


def add(writer: RunWriter, sizes: Sequence[int], n: int = 30, **more: Any) -> None:
    """Add a sweep of memory sizes, cold and warm, whose cost has its least in the middle."""
    rng = random.Random(len(sizes))
    for memory_mib in sizes:
        for start, median_s in ((StartType.COLD, 0.4), (StartType.WARM, 0.05)):
            took_s = median_s * max(512 / memory_mib, 0.6) ** 0.8
            changes = {"cost_usd": took_s * memory_mib / 1024 * 1.7e-5, **more.get("changes", {})}
            others = {"deployment": {"benchmark": "graph-bfs"}, **{k: v for k, v in more.items() if k != "changes"}}
            values_s = latencies(rng, took_s, n)
            writer.add(values_s, memory_mib=memory_mib, start=start, changes=changes, **others)


def sweep(store: Store) -> Sequence[str]:
    writer = RunWriter(store, design=Design.RMIT, environment={"cpu_model": "AMD EPYC 9B14", "cpu_count": 8})
    add(writer, (128, 256, 512, 1024, 1769), facts={"cpu_model": "AMD EPYC 9B14"})
    return [writer.finish().run.id]


def one_condition(store: Store) -> Sequence[str]:
    writer = RunWriter(store)
    writer.add([0.1, 0.2, 0.15])
    return [writer.finish().run.id]


def failed_run(store: Store) -> Sequence[str]:
    writer = RunWriter(store)
    add(writer, (128, 256), 8)
    store.finish_run(writer.run.id, RunStatus.FAILED, REASON)
    return [writer.run.id]


def all_failed(store: Store) -> Sequence[str]:
    writer = RunWriter(store)
    error = "KeyError: 'input'\n" + "  File handler.py, line 12, in handler\n" * 10
    add(writer, (128, 256), 8, changes={"status": Status.FUNCTION_ERROR, "error": error})
    return [writer.finish().run.id]


def empty(store: Store) -> Sequence[str]:
    return [RunWriter(store).finish(RunStatus.INTERRUPTED).run.id]


def compared(store: Store) -> Sequence[str]:
    ids = []
    for number, factor in ((1, 1.0), (2, 1.4)):
        writer, rng = RunWriter(store, number, settings={"repetitions": 60}), random.Random(number)
        for memory_mib in (256, 512):
            values_s = latencies(rng, (factor if memory_mib == 256 else 1.0) * 0.1, 60, 0.03)
            writer.add(values_s, memory_mib=memory_mib)
        ids.append(writer.finish().run.id)
    return ids


def two_runs(store: Store) -> Sequence[str]:
    ids = []
    for number, benchmark in ((1, "thumbnailer"), (2, "dynamic-html")):
        writer = RunWriter(store, number, started_s=1_764_000_000.0 + number * 90_000)
        add(writer, (256, 512), 12, deployment={"benchmark": benchmark})
        ids.append(writer.finish().run.id)
    return ids


def two_hundred(store: Store) -> Sequence[str]:
    writer = RunWriter(store)
    for number in range(20):
        add(writer, (128, 256, 512, 1024, 1769), 6, deployment={"benchmark": f"benchmark-{number}"})
    return [writer.finish().run.id]


def unstable(store: Store) -> Sequence[str]:
    writer, rng = RunWriter(store), random.Random(9)
    for model, slower in (("AMD EPYC 9B14", 1.0), ("Intel Xeon Platinum 8481C", 1.8)):
        writer.add(latencies(rng, 0.1 * slower, 60, 0.05), facts={"cpu_model": model}, parameters={"n": "1"})
    writer.add([*latencies(rng, 0.1, 60), *latencies(rng, 0.3, 60)], memory_mib=512)
    return [writer.finish().run.id]


def doubtful(store: Store) -> Sequence[str]:
    writer = RunWriter(store)
    add(
        writer, (128, 256), 12, effective={"emulated": True}, deployment={"benchmark": "a-benchmark-of-a-long-name" * 2}
    )
    late = writer.add([0.1] * 12, memory_mib=512, changes={"client_intended_s": 1_750_000_000.0})
    store.design.finish_cell(late, CellStatus.INVALID, "the generator was late: p99 of the lateness was 40 ms")
    return [writer.finish().run.id]


KINDS: Mapping[str, Fill] = {
    fill.__name__: fill
    for fill in (
        sweep, one_condition, failed_run, all_failed, empty, compared, two_runs, two_hundred, unstable, doubtful,
    )
}  # fmt: skip


def page(kind: str, folder: Path) -> Path:
    """Write the page of a kind of runs, with what all analyzers say, and return it."""
    file = folder / f"{kind}.html"
    with open_store(folder / f"{kind}.sqlite") as store:
        views = [store.view(run) for run in KINDS[kind](store)]
        comparison = None
        if kind == "compared":
            comparison = compare_runs(views[:1], views[1:]).to_report(limit=None)
            views = views[1:]
        file.write_text(rendered(App(), views, comparison=comparison, target=file.name), encoding="utf-8")
    return file
