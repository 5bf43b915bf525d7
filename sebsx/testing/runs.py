"""Stored runs for tests of analyzers and exporters: written by the real store, with figures that are known."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sebsx.model import (
    Cell,
    CellStatus,
    Deployment,
    Design,
    Execution,
    Factors,
    FunctionConfig,
    Invocation,
    Kind,
    Run,
    RunStatus,
    StartType,
    Status,
)
from sebsx.model.metrics import CORE_METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model import Factor
    from sebsx.model.metrics import Metric
    from sebsx.store import Store

_STARTED_S = 1_750_000_000.0
_FAILURES = {5: Status.TIMEOUT, 11: Status.FUNCTION_ERROR, 17: Status.THROTTLED}  # sequence in a cell -> status
_MEMORY_MIB = (256, 512)


def store_runs(path: Path, experiment: str) -> Iterator[Mapping[str, RunView]]:
    """Yield views of three runs of `experiment` in a new store, which is closed afterwards.

    Args:
        path: Where the store is made.
        experiment: Its name is stored with the runs.

    Yields:
        `finished`: two memory sizes, cold and warm, 40 invocations each with three failures, one warm-up;
        `empty`: started and finished with nothing in it; `interrupted`: one invocation and a group that never ended,
        the owner is gone.
    """
    from sebsx.store import open_store

    with open_store(path) as store:
        finished = _start(store, "01JZ0000000000000000000001", experiment)
        _fill(store, finished.id, repetitions=40)
        store.finish_run(finished.id, RunStatus.FINISHED)
        empty = _start(store, "01JZ0000000000000000000002", experiment)
        store.finish_run(empty.id, RunStatus.FINISHED)
        interrupted = _start(store, "01JZ0000000000000000000003", experiment)
        _fill(store, interrupted.id, repetitions=1)
        cut = Execution(kind="workflow", begin_s=_STARTED_S, status=Status.PLATFORM_ERROR, error="it did not end")
        store.groups.begin_execution(interrupted.id, cut, cell_id=store.view(interrupted.id).cells()[0].id)
        runs = {"finished": finished, "empty": empty, "interrupted": interrupted}
        yield {name: store.view(run.id) for name, run in runs.items()}


class RunWriter:
    """Writes a run whose figures a test chooses, through the real store.

    Args:
        store: Where to.
        number: Tells runs of one store apart; larger is newer.
        experiment: Its name is stored with the run.
        design: In what order the cells are said to have been measured.
        environment: Facts of the client machine.
        settings: Of the experiment.
        started_s: When it started, in seconds since the Unix epoch.
        factors: What the experiment declares of its cells, beside what core knows.
        metrics: Of what is stored beside what core knows, such as a collector's.
    """

    def __init__(
        self,
        store: Store,
        number: int = 1,
        *,
        experiment: str = "perf-cost",
        design: Design = Design.SEQUENTIAL,
        environment: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        started_s: float = _STARTED_S,
        factors: Sequence[Factor] = (),
        metrics: Sequence[Metric] = (),
    ) -> None:
        self.store = store
        run_id = f"01JZ{number:022}"
        self.run = _start(store, run_id, experiment, design, environment, settings, started_s, factors, metrics)

    def add(
        self,
        latencies_s: Sequence[float],
        *,
        rounds: Sequence[int] | None = None,
        per_sandbox: int = 1,
        memory_mib: int = 256,
        start: StartType = StartType.WARM,
        starts: Sequence[StartType] = (),
        changes: Mapping[str, Any] | None = None,
        samples: Sequence[Mapping[str, float]] = (),
        facts: Mapping[str, Any] | None = None,
        deployment: Mapping[str, Any] | None = None,
        effective: Mapping[str, Any] | None = None,
        **factors: Any,
    ) -> int:
        """Store the invocations of one cell with these client latencies, a second apart, and return the cell's row.

        Args:
            latencies_s: One for each invocation; the function took 90 % of it.
            rounds: Round of each invocation in an interleaved design.
            per_sandbox: How many in a row each sandbox served; 0 for all in one.
            memory_mib: Of the deployment.
            start: Wanted, and met.
            starts: Met by each invocation instead, where the design asks for none.
            changes: Fields of every invocation (`Invocation`) that are to be different.
            samples: What each invocation measured itself, in place of the usual.
            facts: What the sandbox said of itself.
            deployment: Arguments of `Store.add_deployment` that are to be different (`platform`, `benchmark`).
            effective: What the platform reports back besides.
            factors: Further factors of the cell.
        """
        row = _deployment(self.store, self.run.id, memory_mib, deployment or {}, effective or {})
        levels = {"platform": "fake", "benchmark": "echo", **(deployment or {})}
        cell_factors = {
            "platform": levels["platform"], "benchmark": levels["benchmark"], "size": "default", "language": "python",
            "architecture": "x86_64", "memory_mib": memory_mib, **factors, "start": None if starts else start.value,
        }  # fmt: skip
        cell = self.store.design.add_cell(self.run.id, Cell(cell_factors, len(latencies_s)))
        first = self.store.next_sequence(self.run.id)
        batch = []
        for index, latency_s in enumerate(latencies_s):
            sent_s = _STARTED_S + first + index
            figures = {
                "client_done_s": sent_s + latency_s,
                "client_first_byte_s": sent_s + 0.99 * latency_s,
                "function_duration_s": 0.9 * latency_s,
                "function_finished_s": sent_s + 0.001 + 0.9 * latency_s,
                "provider_duration_s": 0.95 * latency_s,
                "provider_init_s": None,
                "provider_billed_s": latency_s,
                "round": None if rounds is None else rounds[index],
                "sandbox_id": f"sandbox-{row}-{index // (per_sandbox or len(latencies_s))}",
            }
            met = starts[index] if starts else start
            template = _invocation(first + index, 1, met, memory_mib, random.Random(7))  # noqa: S311  # figures
            own = {"samples": samples[index]} if samples else {}
            batch.append(replace(template, **{**figures, **own, **(changes or {})}))
        self.store.add_invocations(self.run.id, row, cell, batch)
        self.store.design.finish_cell(cell, CellStatus.FINISHED, "enough samples")
        for sandbox in {item.sandbox_id for item in batch if facts and item.sandbox_id}:
            self.store.design.add_sandbox(row, sandbox, facts or {})
        return cell

    def add_executions(
        self,
        cell: int,
        durations_s: Sequence[float],
        *,
        rounds: Sequence[int] | None = None,
        figures: Sequence[Mapping[str, float]] = (),
        failed: int = 0,
        kind: str = "workflow",
    ) -> None:
        """Store groups of invocations of a cell that took so long, a second apart, and some that failed.

        Args:
            cell: Row of the cell.
            durations_s: One for each group.
            rounds: Round of each in an interleaved design.
            figures: What was measured of each as a whole.
            failed: How many further ones failed, each after a second.
            kind: What they are.
        """
        for index, duration_s in enumerate([*durations_s, *[1.0] * failed]):
            begin_s = _STARTED_S + index
            execution = Execution(
                kind=kind,
                begin_s=begin_s,
                end_s=begin_s + duration_s,
                status=Status.OK if index < len(durations_s) else Status.FUNCTION_ERROR,
                round=rounds[index] if rounds and index < len(rounds) else None,
                figures=figures[index] if index < len(figures) else {},
            )
            self.store.groups.begin_execution(self.run.id, execution, cell_id=cell)

    def finish(self, status: RunStatus = RunStatus.FINISHED) -> RunView:
        """Close the run and return it to read from."""
        self.store.finish_run(self.run.id, status)
        return self.store.view(self.run.id)


def _start(
    store: Store,
    run_id: str,
    experiment: str,
    design: Design = Design.SEQUENTIAL,
    environment: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    started_s: float = _STARTED_S,
    factors: Sequence[Factor] = (),
    metrics: Sequence[Metric] = (),
) -> Run:
    declared = {"factors": Factors.of(factors).stored()} if factors else {}
    run = Run(
        id=run_id,
        experiment=experiment,
        settings={"core": {}, "experiment": dict(settings or {}), "platforms": {}, **declared},
        seed=7,
        status=RunStatus.RUNNING,
        started_at=datetime.fromtimestamp(started_s, UTC),
        owner={"host": "gone", "boot_id": "gone", "pid": 1, "process_started": 0},
        design=design,
    )
    store.start_run(run, environment or _environment(run_id), [*CORE_METRICS, *metrics])
    return run


def _environment(run_id: str) -> Mapping[str, Any]:
    commit = hashlib.sha256(run_id.encode()).hexdigest()[:40]
    return {"client.cpu": "test", "git": {"commit": commit, "dirty": False}}


def _fill(store: Store, run_id: str, repetitions: int) -> None:
    rng = random.Random(7)  # noqa: S311  # figures, not secrets
    for memory_mib in _MEMORY_MIB:
        deployment = _deployment(store, run_id, memory_mib, {}, {})
        for start in (StartType.COLD, StartType.WARM):
            factors = {
                "platform": "fake", "benchmark": "echo", "size": "default", "language": "python",
                "architecture": "x86_64", "memory_mib": memory_mib, "start": start.value,
            }  # fmt: skip
            cell = store.design.add_cell(run_id, Cell(factors, repetitions))
            first = store.next_sequence(run_id)
            batch = [_invocation(first + index, index, start, memory_mib, rng) for index in range(repetitions)]
            store.add_invocations(run_id, deployment, cell, batch)
            if repetitions > 1:
                store.design.finish_cell(cell, CellStatus.FINISHED, "repetitions")


def _deployment(
    store: Store, run_id: str, memory_mib: int, changes: Mapping[str, Any], facts: Mapping[str, Any]
) -> int:
    config = FunctionConfig(f"f-{memory_mib}", memory_mib=memory_mib, timeout_s=10.0, architecture="x86_64")
    effective = {"memory_mib": memory_mib, "timeout_s": 10.0, "architecture": "x86_64", **facts}
    values: dict[str, Any] = {
        "platform": "fake", "benchmark": "echo", "benchmark_version": "1", "benchmark_sha256": "0" * 64,
        "language": "python", "language_version": "3.11", "size": "default", "parameters": {}, "package": None,
        "config": config, "deployment": Deployment(config.name, config, effective=effective), "status": "ready",
    }  # fmt: skip
    return store.design.add_deployment(run_id, **{**values, **changes})


def _invocation(sequence: int, index: int, start: StartType, memory_mib: int, rng: random.Random) -> Invocation:
    status = _FAILURES.get(index, Status.OK)
    ok = status is Status.OK
    duration_s = 25.6 / memory_mib + rng.uniform(0, 0.01)
    init_s = 0.2 if start is StartType.COLD else None
    sent_s = _STARTED_S + sequence
    return Invocation(
        sequence=sequence,
        batch=0,
        kind=Kind.WARMUP if index == 0 and start is StartType.WARM else Kind.MEASURED,
        request_id=f"request-{sequence}",
        status=status,
        start_type=start if ok else StartType.UNKNOWN,
        start_evidence=f'{{"function": "{start.value}"}}' if ok else "{}",
        sandbox_id=f"sandbox-{sequence if start is StartType.COLD else memory_mib}" if ok else None,
        error=None if ok else "as intended",
        client_intended_s=sent_s,
        client_sent_s=sent_s,
        client_connected_s=sent_s,
        client_first_byte_s=sent_s + duration_s + 0.001 if ok else None,
        client_done_s=sent_s + duration_s + (init_s or 0.0) + 0.002,
        function_started_s=sent_s + 0.001 if ok else None,
        function_finished_s=sent_s + 0.001 + duration_s if ok else None,
        function_duration_s=duration_s if ok else None,
        provider_duration_s=duration_s + 0.0005 if ok else None,
        provider_init_s=init_s if ok else None,
        provider_billed_s=duration_s + 0.001 if ok else None,
        provider_max_memory_bytes=64 * 2**20 if ok else None,
        bytes_in=100,
        bytes_out=10,
        cost_usd=1e-6 if ok else None,
        samples={"phase.compute_s": duration_s / 2} if ok else {},
    )
