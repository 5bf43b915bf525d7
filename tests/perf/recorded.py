"""How many warm no-op invocations a second this machine sustains, recorded: client, gateway, sandboxes and store.

The same gateway is driven without recording in the same run, round by round, so that the ratio holds on a busy
machine. Processor time is the driver's own, of a call. Prints JSON: medians over the rounds.
Run: python tests/perf/recorded.py [--rounds 5] [--users 8]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from sebsx import plugins
from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import Function, FunctionSpec
from sebsx.contracts.scene import Scene
from sebsx.contracts.schedules import Closed
from sebsx.contracts.session import Session
from sebsx.model import Kind, Plan
from sebsx.running import orchestrator
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.store import open_store
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings

MANIFEST = 'name = "no-op"\nversion = "1"\nsummary = "does nothing"\n'
CODE = "def handler(event, context):\n    return {}\n"
BATCH = 2000


class Quiet:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


class Measure(Experiment[Any]):
    """An experiment that alternates between driving the gateway alone and with recording."""

    name = "recorded-throughput"

    def __init__(self, rounds: int, users: int) -> None:
        self.rounds, self.users = rounds, users
        self.alone_rps: list[float] = []
        self.recorded_rps: list[float] = []
        self.overhead_s: list[float] = []
        self.cpu_us: list[list[float]] = []  # alone, recorded

    def plan(self, scene: Scene, settings: Any) -> Plan:
        return PerfCost().plan(scene, settings)

    def run(self, session: Session, settings: Any) -> None:
        (cell,) = self.plan(session.scene, settings).cells
        with session.deployed(FunctionSpec.of(cell), [cell]) as function, HttpClient() as client:
            assert function is not None
            with session.measure(cell, function) as measurement:
                measurement.invoke(Closed(200, users=self.users), Kind.WARMUP)
                for _ in range(self.rounds):
                    before = time.process_time()
                    self.alone_rps.append(drive_alone(client, function, self.users))
                    between = time.process_time()
                    started = time.perf_counter()
                    done = measurement.invoke(Closed(BATCH, users=self.users))
                    self.recorded_rps.append(BATCH / (time.perf_counter() - started))
                    self.cpu_us.append([1e6 * s / BATCH for s in (between - before, time.process_time() - between)])
                    assert all(invocation.status == "ok" for invocation in done)
                single = measurement.invoke(Closed(500, users=1))
                self.overhead_s = [each.latency_s - (each.function_duration_s or 0) for each in single]


def drive_alone(client: HttpClient, function: Function, users: int) -> float:
    url = function.deployment.endpoint
    assert url is not None
    started = time.perf_counter()
    for reply in client.drive(Closed(BATCH, users=users), lambda number: Outgoing(url, b"{}", f"alone-{number}")):
        assert reply.http_status == 200
    return BATCH / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=8)
    arguments = parser.parse_args()
    registry = plugins.load()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "no-op"
        (root / "python").mkdir(parents=True)
        (root / "benchmark.toml").write_text(MANIFEST)
        (root / "python" / "function.py").write_text(CODE)
        settings = PerfCostSettings(benchmarks=(str(root),), memory_mib=(1769,), start=("warm",))
        measure = Measure(arguments.rounds, arguments.users)
        local = registry.get("platforms", "local").Settings()
        request = orchestrator.RunSpec(measure, settings, {"local": local}, collectors=("process",))
        with open_store(Path(folder) / "results.sqlite") as store:
            orchestrator.run(request, registry, store, Quiet())
    ratios = [recorded / alone for recorded, alone in zip(measure.recorded_rps, measure.alone_rps, strict=True)]
    result = {
        "rounds": arguments.rounds,
        "users": arguments.users,
        "recorded_per_s": round(statistics.median(measure.recorded_rps)),
        "alone_per_s": round(statistics.median(measure.alone_rps)),
        "ratio": round(statistics.median(ratios), 3),
        "alone_cpu_us": round(statistics.median(alone for alone, _ in measure.cpu_us)),
        "recorded_cpu_us": round(statistics.median(recorded for _, recorded in measure.cpu_us)),
        "difference_cpu_us": round(statistics.median(recorded - alone for alone, recorded in measure.cpu_us)),
        "load_average": os.getloadavg()[0],
        "client_minus_function_s": {
            "median": statistics.median(measure.overhead_s),
            "p90": statistics.quantiles(measure.overhead_s, n=10)[-1],
        },
        "wanted": {"recorded_per_s": 2000, "client_minus_function_s.median": 0.001},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
