"""Packages of a run are built ahead, several at a time: one that cannot be built costs its own cells."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sebsx.building.products import Products
from sebsx.building.tools import run_tool
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.languages import Built, Inputs
from sebsx.errors import PackagingError, PlatformError
from sebsx.model import CellStatus, Package, Target
from sebsx.running import orchestrator
from sebsx.running.session.building import _at_once
from sebsx.system.processes import bearing, owner_of
from sebsx.testing.fakes import FakePlatform
from sebsx_python.language import PythonLanguage
from tests.orchestration import ECHO, Listener, registry_with, run_spec, store_in


class Preparing(FakePlatform):
    """Notes what it is given to prepare, and fails at it: that costs nothing."""

    prepared: list[str] = []  # noqa: RUF012  # of all instances

    def prepare(self, package: Package) -> None:
        self.prepared.append(package.benchmark)
        raise PlatformError("the disk is full")


def benchmark(folder: Path, name: str, *, broken: bool = False) -> str:
    """Return the folder of a benchmark like the echo; a file of a broken one has the name of one of ours."""
    made = folder / name
    shutil.copytree(ECHO, made)
    manifest = made / "benchmark.toml"
    manifest.write_text(manifest.read_text().replace('name = "echo"', f'name = "{name}"'))
    if broken:
        (made / "python" / "sebsx.json").write_text("{}")
    return str(made)


def test_build_that_fails_costs_the_cells_of_its_benchmark_alone(tmp_path: Path) -> None:
    names = ("first", "second", "third")
    folders = tuple(benchmark(tmp_path, name, broken=name == "second") for name in names)
    listener, Preparing.prepared = Listener(), []
    with store_in(tmp_path) as store:
        run = orchestrator.run(run_spec(benchmarks=folders), registry_with(Preparing), store, listener)
        cells = {cell.factors["benchmark"]: cell for cell in store.view(run.id).cells()}

    assert {name: cells[name].status for name in names} == {
        "first": CellStatus.FINISHED, "second": CellStatus.FAILED, "third": CellStatus.FINISHED,
    }  # fmt: skip
    assert "sebsx.json" in (cells["second"].error or "")
    assert sorted(Preparing.prepared) == ["first", "third"]
    built = listener.steps.index("built 2 of 3 packages")
    assert not [step for step in listener.steps[:built] if step.startswith("deploying")]
    assert "deploying first (default) on fake with 128 MiB" in listener.steps
    assert not [step for step in listener.steps if str(tmp_path) in step]  # a path leaves no room for the progress


def test_run_of_which_nothing_can_be_built_ends(tmp_path: Path) -> None:
    folders = tuple(benchmark(tmp_path, name, broken=True) for name in ("first", "second"))
    with store_in(tmp_path) as store, pytest.raises(PackagingError, match=r"sebsx\.json"):
        orchestrator.run(run_spec(benchmarks=folders), registry_with(FakePlatform), store, Listener())


def test_interrupt_ends_every_tool_that_builds(tmp_path: Path) -> None:
    def spec(name: str) -> FunctionSpec:
        return FunctionSpec("local", name, size="", language="python", architecture="x86_64", memory_mib=0, timeout_s=0)

    def interrupted(_done: int) -> None:
        raise KeyboardInterrupt

    def fails() -> Package:
        while not bearing(owner):  # until the other one has its tool
            time.sleep(0.01)
        raise PackagingError("no")

    owner = owner_of(os.getpid())
    assert owner
    long: Any = lambda: run_tool(["sleep", "600"], tmp_path)  # noqa: E731

    with pytest.raises(KeyboardInterrupt):
        _at_once({spec("a"): long, spec("b"): fails}, interrupted)

    assert not bearing(owner)


def test_what_two_threads_want_is_built_once(tmp_path: Path) -> None:
    builds: list[str] = []

    class Slow(PythonLanguage):
        def inputs(self, source: Path, target: Target) -> Inputs:
            return Inputs(files=[source / "lock"])

        def build(self, source: Path, destination: Path, target: Target) -> Built:
            builds.append(threading.current_thread().name)
            time.sleep(0.05)
            (destination / "made").write_text("1")
            return Built()

    (tmp_path / "lock").write_text("a==1")
    products, target = Products(tmp_path / "products", "run"), Target("python", "3.11", architecture="x86_64")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(products.of(Slow(), tmp_path, target, whole=False)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(builds), len({product.digest for product in found}), len(found)) == (1, 1, 3)
