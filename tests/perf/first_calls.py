"""What a first call takes on the local platform beside later ones of the same work, in turns.

Prints JSON: by memory and work the medians of both, and of the time that a second of processor time takes, where 1 is a
processor of one's own. Run: python tests/perf/first_calls.py [--calls 30] [--memory 1280,1536] [--loops 50000,200000];
it takes 10 s for each pair. On a busy machine run it where others cannot take the processor from it, below a control
group of much weight (`cpu.shares` 262144), and look at the calls that were starved.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx import plugins
from sebsx.model import Design, Kind, StartType, Status
from sebsx.running import orchestrator
from sebsx.store import open_store
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings
from tests.perf.collectors import Quiet

MANIFEST = """
name = "computes"
version = "1"
summary = "computes"

[parameters.loops]
type = "int"
default = {loops}
minimum = 1

[languages.python]
handler = "function.handler"
"""
CODE = """
def handler(event, context):
    total = 0
    for number in range(event["loops"]):
        total += number * number & 255
    return {"total": total}
"""


def measure(folder: Path, memory_mib: int, loops: int, calls: int) -> dict[str, Any]:
    """Return medians of first and of later calls, and their ratio."""
    root = folder / f"computes-{memory_mib}-{loops}"
    (root / "python").mkdir(parents=True)
    (root / "benchmark.toml").write_text(MANIFEST.format(loops=loops), encoding="utf-8")
    (root / "python" / "function.py").write_text(CODE, encoding="utf-8")
    settings = PerfCostSettings(
        benchmarks=(str(root),), memory_mib=(memory_mib,), start=("cold", "warm"), repetitions=calls, design=Design.RMIT
    )
    registry = plugins.load()
    local = registry.get("platforms", "local").Settings()
    with open_store(folder / "store.sqlite") as store:
        run = orchestrator.run(orchestrator.RunSpec(PerfCost(), settings, {"local": local}), registry, store, Quiet())
        done = [
            call for call in store.view(run.id).invocations(kind=Kind.MEASURED)
            if call.status is Status.OK and call.function_duration_s
        ]  # fmt: skip
    found: dict[str, Any] = {"memory_mib": memory_mib, "loops": loops}
    for start in (StartType.COLD, StartType.WARM):
        mine = [call for call in done if call.start_type is start]
        found[f"{start}_ms"] = 1e3 * statistics.median(call.function_duration_s or 0.0 for call in mine)
        shares = [(call.function_duration_s or 0.0) / call.samples["function.cpu_s"] for call in mine]
        found[f"{start}_of_a_processor_second"] = statistics.median(shares)
    found["ratio"] = found["cold_of_a_processor_second"] / found["warm_of_a_processor_second"]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--memory", default="1280,1536")
    parser.add_argument("--loops", default="50000,200000")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [
            measure(Path(folder), memory_mib, loops, words.calls)
            for memory_mib in map(int, words.memory.split(","))
            for loops in map(int, words.loops.split(","))
        ]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
