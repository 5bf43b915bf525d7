"""How many warm no-op invocations a second this machine sustains, recorded: client, gateway, sandboxes and store.

The same gateway is driven without recording in the same run, batch by batch, and with `--beside TREE` so is the code of
another checkout, with the interpreter of its `.venv`: batches take turns, so that ratios hold on a busy machine.
Prints JSON: medians over the rounds, and quartiles of the ratios to the other checkout; processor time is that of each
process, of a call, in us, and `waited_us` is how long they waited for a processor beside it. Linux only.
Run: python tests/perf/recorded.py [--rounds 15] [--users 8] [--beside TREE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MANIFEST = 'name = "no-op"\nversion = "1"\nsummary = "does nothing"\n'
CODE = "def handler(event, context):\n    return {}\n"
BATCH = 500
FEW = 100
WAYS = ("alone", "recorded")
SINGLY = "singly"
ROLES = ("driver", "gateway", "sandboxes")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--beside", type=Path, help="another checkout, installed in its .venv")
    parser.add_argument("--stack", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stack:
        serve(arguments.users)
        return
    stacks = {"": Stack(Path(sys.executable), arguments.users)}
    if arguments.beside:
        stacks["beside_"] = Stack(arguments.beside / ".venv" / "bin" / "python", arguments.users)
    found: dict[str, dict[str, list[Any]]] = {name: {way: [] for way in (*WAYS, SINGLY)} for name in stacks}
    for number in range(arguments.rounds):
        for way in (*WAYS, SINGLY):
            for name in list(stacks) if number % 2 else reversed(stacks):
                found[name][way].append(stacks[name].ask(way))
    for stack in stacks.values():
        stack.end()
    result: dict[str, Any] = {"rounds": arguments.rounds, "users": arguments.users, "load_average": os.getloadavg()[0]}
    for name, ways in found.items():
        result |= {f"{name}{key}": value for key, value in summary(ways).items()}
    if arguments.beside:
        result |= compared(found[""], found["beside_"])
    print(json.dumps({**result, "wanted": {"recorded_per_s": 2000, "client_minus_function_s": 0.001}}, indent=2))


def compared(ours: dict[str, list[Any]], theirs: dict[str, list[Any]]) -> dict[str, list[float]]:
    """Return the quartiles of the ratios of batches that took turns."""
    result = {}
    for way in WAYS:
        for key in ("per_s", "cpu_us"):
            pairs = zip(ours[way], theirs[way], strict=True)
            result[f"{way}_{key}_to_beside"] = quarters(mine[key] / other[key] for mine, other in pairs)
    singles = zip(ours[SINGLY], theirs[SINGLY], strict=True)
    result["client_minus_function_to_beside"] = quarters(mine / other for mine, other in singles)
    return result


def quarters(ratios: Iterable[float]) -> list[float]:
    """Return the quartiles."""
    return [round(each, 3) for each in statistics.quantiles(ratios, n=4)]


def summary(ways: dict[str, list[Any]]) -> dict[str, Any]:
    """Return medians over the batches of one checkout."""
    result: dict[str, Any] = {"client_minus_function_s": statistics.median(ways[SINGLY])}
    for way in WAYS:
        batches = ways[way]
        middle = {key: statistics.median(batch[key] for batch in batches) for key in batches[0]}
        result[f"{way}_per_s"] = round(middle["per_s"])
        result[f"{way}_cpu_us"] = {key: round(middle[key]) for key in (*ROLES, "cpu_us", "waited_us")}
    pairs = zip(ways["recorded"], ways["alone"], strict=True)
    result["ratio"] = round(statistics.median(recorded["per_s"] / alone["per_s"] for recorded, alone in pairs), 3)
    return result


class Stack:
    """A process that keeps client, gateway, sandboxes and store ready and drives a batch when asked."""

    def __init__(self, python: Path, users: int) -> None:
        self._process = subprocess.Popen(
            [python, __file__, "--stack", "--users", str(users)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.ask("alone")
        self.ask("recorded")

    def ask(self, what: str) -> Any:
        """Have it do something, and return what it found."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        return json.loads(self._process.stdout.readline() or sys.exit("it ended"))

    def end(self) -> None:
        """Have it clean up."""
        self._process.communicate()


class Quiet:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


def serve(users: int) -> None:
    """Drive batches as they are asked for, until the input ends; also in checkouts whose rooms had other names."""
    from sebsx import plugins
    from sebsx.model import Kind
    from sebsx.store import open_store
    from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings

    try:
        from sebsx.contracts.functions import FunctionSpec
        from sebsx.contracts.schedules import Closed
        from sebsx.running import orchestrator
        from sebsx.running.orchestrator import RunSpec
        from sebsx.sending.client import HttpClient, Outgoing
    except ImportError:  # before the rooms were cut (0530a97)
        from sebsx.load.client import HttpClient
        from sebsx.load.client import Request as Outgoing
        from sebsx.load.schedule import Closed
        from sebsx.orchestrator import Request as RunSpec
        from sebsx.session import FunctionSpec

        from sebsx import orchestrator

    def closed(count: int, users: int) -> Any:
        return Closed(count, users=users)

    class Measure(PerfCost):
        """An experiment that alternates between driving the gateway alone and with recording."""

        name = "recorded-throughput"

        def run(self, session: Any, settings: Any) -> None:
            (cell,) = self.plan(session.scene, settings).cells
            with session.deployed(FunctionSpec.of(cell), [cell]) as function, HttpClient() as client:
                url = function.deployment.endpoint
                measure = getattr(session, "measure", None) or session.trial
                with measure(cell, function) as measurement:
                    measurement.invoke(closed(200, users), Kind.WARMUP)
                    for line in sys.stdin:
                        way, before, started = line.strip(), turns(), time.perf_counter()
                        if way == "alone":
                            wanted = closed(BATCH, users)
                            for reply in client.drive(wanted, lambda number: Outgoing(url, b"{}", f"alone-{number}")):
                                assert reply.http_status == 200
                        elif way == "recorded":
                            done = measurement.invoke(closed(BATCH, users))
                            assert all(invocation.status == "ok" for invocation in done)
                        else:
                            single = measurement.invoke(closed(FEW, 1))
                            beside = [each.latency_s - each.function_duration_s for each in single]
                            print(statistics.median(beside), flush=True)
                            continue
                        per_s = BATCH / (time.perf_counter() - started)
                        print(json.dumps({"per_s": per_s, **spent(before, turns())}), flush=True)

    registry = plugins.load()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "no-op"
        (root / "python").mkdir(parents=True)
        (root / "benchmark.toml").write_text(MANIFEST)
        (root / "python" / "function.py").write_text(CODE)
        settings = PerfCostSettings(benchmarks=(str(root),), memory_mib=(1769,), start=("warm",))
        local = registry.get("platforms", "local").Settings()
        request = RunSpec(Measure(), settings, {"local": local}, collectors=("process",))
        with open_store(Path(folder) / "results.sqlite") as store:
            orchestrator.run(request, registry, store, Quiet())


def turns() -> dict[int, tuple[str, int, int]]:
    """Return for each process of ours its role, and how long it had a processor and waited for one, in ns."""
    found = {}
    generation = [os.getpid()]
    for role in (*ROLES, "sandboxes"):
        children = []
        for process in generation:
            tasks = Path(f"/proc/{process}/task")
            try:
                ns = [list(map(int, (task / "schedstat").read_text().split())) for task in tasks.iterdir()]
                children += (tasks / str(process) / "children").read_text().split()
            except OSError:  # it ended
                continue
            found[int(process)] = (role, sum(had for had, _, _ in ns), sum(waited for _, waited, _ in ns))
        generation = children
    return found


def spent(before: dict[int, tuple[str, int, int]], after: dict[int, tuple[str, int, int]]) -> dict[str, float]:
    """Return processor time by role, and time waited for a processor, of a call in us."""
    result = dict.fromkeys((*ROLES, "cpu_us", "waited_us"), 0.0)
    for process, (role, had_ns, waited_ns) in after.items():
        _, had_before_ns, waited_before_ns = before.get(process, (role, 0, 0))
        cpu_us = (had_ns - had_before_ns) / BATCH / 1e3
        result[role] += cpu_us
        result["cpu_us"] += cpu_us
        result["waited_us"] += (waited_ns - waited_before_ns) / BATCH / 1e3
    return result


if __name__ == "__main__":
    main()
