"""How long the export of many invocations takes in each format, and how much memory; prints JSON.

    python tests/perf/export.py [INVOCATIONS] [FORMAT ...]

Each format runs in a process of its own, so that its peak of memory is its own: `peak_mib` of that process and of the
largest of those that read for it. `cpu_s` is of all together; it is what counts on a machine that others use too.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sebsx import plugins
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

CONDITIONS = 10


def write(store_path: Path, invocations: int) -> None:
    """Store a run with one sample for each invocation."""
    rng = random.Random(7)  # figures
    with open_store(store_path) as store:
        writer = RunWriter(store)
        for number in range(CONDITIONS):
            share = invocations // CONDITIONS
            writer.add([rng.lognormvariate(-3, 0.3) for _ in range(share)], memory_mib=128 * (number + 1))
        writer.finish()


def export(name: str, store_path: Path, folder: Path) -> None:
    """Export in one format and print what it took."""
    exporter = plugins.load().exporters[name]()
    begun = time.perf_counter()
    with open_store(store_path) as store:
        files = exporter.export([store.view("last")], folder / f"out{exporter.suffix}")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    figures = {
        "wall_s": round(time.perf_counter() - begun, 2),
        "cpu_s": round(sum(some.ru_utime + some.ru_stime for some in used), 2),
        "peak_mib": [some.ru_maxrss // 1024 for some in used],
        "file_mib": round(sum(path.stat().st_size for path in files) / 2**20, 1),
    }  # fmt: skip
    print(json.dumps(figures))


def main() -> None:
    """Measure and print."""
    invocations = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        store_path = Path(folder, "store.sqlite")
        write(store_path, invocations)
        for name in sys.argv[2:] or sorted(plugins.load().exporters):
            program = "import sys; from pathlib import Path; from tests.perf.export import export; "
            program += "export(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))"
            done = subprocess.run(
                [sys.executable, "-c", program, name, str(store_path), folder],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            found[name] = json.loads(done.stdout)
            print(name, done.stdout.strip(), file=sys.stderr)
    print(json.dumps({"invocations": invocations, **found}))


if __name__ == "__main__":
    main()
