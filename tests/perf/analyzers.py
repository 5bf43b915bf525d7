"""How long the analyzers of every report take for a million invocations, and the memory they need; prints JSON.

    python tests/perf/analyzers.py [CELLS PER_CELL]

Each runs in a process of its own, so that its peak memory is its own. `frame_s` is reading alone, for scale.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIZE = (20, 50_000)


def measure(path: Path, name: str) -> dict[str, float]:
    """Return the seconds and peak MiB of one analyzer, or of reading where it is named `frame`."""
    from sebsx import plugins
    from sebsx.store import open_store

    analyzers = plugins.load().analyzers
    with open_store(path) as store:
        view = store.view("last")
        begun, used = time.perf_counter(), time.process_time()
        if name == "frame":
            view.frame(kind=None)
        else:
            analyzers[name]().analyze([view], analyzers[name].Settings())
        took_s, cpu_s = time.perf_counter() - begun, time.process_time() - used
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {f"{name}_s": round(took_s, 2), f"{name}_cpu_s": round(cpu_s, 2), f"{name}_mib": round(peak_mib)}


def main() -> None:
    """Write the run, measure each analyzer and print."""
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(Path(sys.argv[2]), sys.argv[3])))
        return
    from sebsx import plugins
    from tests import large_runs

    cells, per_cell = [int(word) for word in sys.argv[1:3]] or SIZE
    names = ["frame", *(name for name, cls in sorted(plugins.load().analyzers.items()) if cls.standard)]
    figures: dict[str, float] = {"invocations": cells * per_cell, "cells": cells}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.db"
        large_runs.write(path, cells, per_cell)
        for name in names:
            command = [sys.executable, __file__, "--one", str(path), name]
            figures |= json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
