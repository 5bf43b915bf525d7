"""Measures a suite from a cold cache: `python tests/perf/suites.py [NAME ...]` prints one JSON document.

Beside it stands the former way, in which each package is built and prepared when its function is deployed, and every
module of each is compiled. In turns, each with a cache and a store of its own; without names it is `--suite all`.
Installers have cold caches, too.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 2
_RUN = "from sebsx.cli import main\nmain()"
_FORMER = f"""
import sys
from sebsx.building.tools import run_tool
from sebsx.running.session import RunSession
from sebsx_python.language import PythonLanguage
def prepare(self, root):
    run_tool([sys.executable, "-m", "compileall", "-q", "-j", "0", str(root)], root)
PythonLanguage.prepare = prepare
RunSession.prepare = lambda self, specs: None
{_RUN}
"""


def main() -> None:
    """Measure and print."""
    asked = sys.argv[1:] or ["--suite", "all"]
    times: dict[str, list[float]] = {"wall_s": [], "cpu_s": [], "former_wall_s": [], "former_cpu_s": []}
    for _ in range(ROUNDS):
        for prefix, code in (("former_", _FORMER), ("", _RUN)):
            wall_s, cpu_s = run(code, asked)
            times[f"{prefix}wall_s"].append(wall_s)
            times[f"{prefix}cpu_s"].append(cpu_s)
    found = {name: statistics.median(values) for name, values in times.items()}
    found["wall_to_former_ratio"] = found["wall_s"] / found["former_wall_s"]
    found["cpu_to_former_ratio"] = found["cpu_s"] / found["former_cpu_s"]
    print(json.dumps({key: round(value, 3) for key, value in found.items()}, indent=2))


def run(code: str, asked: list[str]) -> tuple[float, float]:
    """Return wall and processor time of one run of the suite, everything that it starts included."""
    command = [sys.executable, "-c", code, "run", "benchmark", *asked, "--size", "test", "--repetitions", "3"]
    with tempfile.TemporaryDirectory() as folder:
        own = {f"XDG_{name}_HOME": str(Path(folder) / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)
        wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
