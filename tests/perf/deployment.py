"""How long the deployment of a cached package takes on `local`; prints JSON.

    python tests/perf/deployment.py [BENCHMARK]

`prepared_s` is that of a run after the first, with `prepared_cpu_s` of processor time; `unpacked_s` is what every run
did before, unpacking and compiling, and `copied_s` and `linked_s` are two other ways to come by a prepared tree. All
take turns.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sebsx import plugins
from sebsx.building import Packager
from sebsx.model import FunctionConfig
from sebsx.sandboxes.trees import unpack
from sebsx.testing.contexts import context_for
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.model import Package

ROUNDS = 3


def main() -> None:
    """Measure and print."""
    registry = plugins.load()
    name = sys.argv[1] if len(sys.argv) > 1 else "dna-visualisation"
    language = registry.get("languages", "python")()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        benchmark = registry.get("benchmarks", name)
        with _open(folder) as platform:
            target = platform.target("python", platform.architectures[0])
            package = Packager(folder / "cache").build(benchmark, language, target, platform=platform)
            first_s = _deploy_s(platform, package)
        tree = folder / "tree"
        unpack(package, language, tree)
        cpu_s: list[float] = []
        ways: dict[str, Callable[[], float]] = {
            "prepared_s": lambda: _next_run_s(folder, package, cpu_s),
            "unpacked_s": lambda: _timed(folder, lambda place: unpack(package, language, place)),
            "copied_s": lambda: _timed(folder, lambda place: subprocess.run(["cp", "-a", tree, place], check=True)),
            "linked_s": lambda: _timed(folder, lambda place: subprocess.run(["cp", "-al", tree, place], check=True)),
        }
        times = {way: statistics.median(measure() for _ in range(ROUNDS)) for way, measure in ways.items()}
    ratio = times["prepared_s"] / times["unpacked_s"]
    figures = {
        "first_s": first_s,
        **times,
        "prepared_cpu_s": statistics.median(cpu_s),
        "prepared_to_unpacked_ratio": ratio,
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps({"benchmark": name, "package_bytes": package.bytes, **_rounded(figures)}, indent=2))


def _open(folder: Path) -> LocalPlatform:
    return LocalPlatform(LocalSettings(), context_for(LocalPlatform, folder / "runs" / uuid4().hex))


def _next_run_s(folder: Path, package: Package, cpu_s: list[float]) -> float:
    with _open(folder) as platform:
        before_s = time.process_time()
        spent_s = _deploy_s(platform, package)
        cpu_s.append(time.process_time() - before_s)
        return spent_s


def _deploy_s(platform: LocalPlatform, package: Package) -> float:
    config = FunctionConfig(
        f"f-{uuid4().hex[:8]}", memory_mib=512, timeout_s=30.0, architecture=platform.architectures[0]
    )
    started_s = time.perf_counter()
    platform.deploy(package, config)
    return time.perf_counter() - started_s


def _timed(folder: Path, work: Callable[[Path], object]) -> float:
    place = folder / uuid4().hex
    started_s = time.perf_counter()
    work(place)
    spent_s = time.perf_counter() - started_s
    shutil.rmtree(place)
    return spent_s


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


if __name__ == "__main__":
    main()
