"""What collectors cost a warm no-op invocation on the local platform, by their own account and by the function's.

Prints JSON: medians in seconds. Run: python tests/perf/collectors.py [--calls 300] [--collect process,saaf]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from sebsx import plugins
from sebsx.running import orchestrator
from sebsx.store import open_store
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings

MANIFEST = 'name = "no-op"\nversion = "1"\nsummary = "does nothing"\n'
CODE = "def handler(event, context):\n    return {}\n"


class Quiet:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


def measure(root: Path, store_path: Path, calls: int, collectors: tuple[str, ...]) -> dict[str, Any]:
    """Return medians of one run."""
    registry = plugins.load()
    settings = PerfCostSettings(benchmarks=(str(root),), memory_mib=(1769,), start=("warm",), repetitions=calls)
    local = registry.get("platforms", "local").Settings()
    request = orchestrator.RunSpec(PerfCost(), settings, {"local": local}, collectors=collectors)
    with open_store(store_path) as store:
        run = orchestrator.run(request, registry, store, Quiet())
        done = list(store.view(run.id).invocations())
    warm = [each for each in done if each.start_type == "warm" and each.status == "ok"]
    spent = {name: [each.samples[f"{name}.overhead_s"] for each in warm] for name in collectors}
    return {
        "latency_s": statistics.median(each.client_done_s - each.client_sent_s for each in warm),
        "overhead_s": {name: statistics.median(values) for name, values in spent.items()},
        "together_s": statistics.median([sum(each) for each in zip(*spent.values(), strict=True)] or [0.0]),
    }


def main() -> None:
    """Measure with and without the collectors and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--collect", default="process,saaf")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "no-op"
        (root / "python").mkdir(parents=True)
        (root / "benchmark.toml").write_text(MANIFEST)
        (root / "python" / "function.py").write_text(CODE)
        chosen = tuple(arguments.collect.split(","))
        store = Path(folder) / "results.sqlite"
        without, with_them = (measure(root, store, arguments.calls, names) for names in ((), chosen))
    result = {
        "without": without,
        "with": with_them,
        "latency_added_s": with_them["latency_s"] - without["latency_s"],
        "wanted": {"process and saaf together_s": 0.002},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
