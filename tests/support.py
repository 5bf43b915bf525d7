"""What several tests use by import."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sebsx.plugins import finding
from tests import forked

# Plugins of this distribution. Whoever runs the tests may have others installed: what is told of all speaks of these.
BUILT_IN = tuple(point.name for point, owner, _ in finding.find() if owner == finding.OURS)
RUNTIME_MODULES = ("groups", "context")


def load_shipped(monkeypatch: pytest.MonkeyPatch, package: str, name: str) -> ModuleType:
    """Return what a collector ships as a new module, with the runtime under the name that it has in a package."""
    monkeypatch.setitem(sys.modules, "sebsx_runtime", importlib.import_module("sebsx.runtime.python"))
    for module in RUNTIME_MODULES:
        path = Path(__file__).parents[1] / "sebsx" / "runtime" / "python" / f"{module}.py"
        monkeypatch.setitem(sys.modules, f"sebsx_runtime.{module}", _load(f"sebsx_runtime.{module}", path))
        monkeypatch.setattr(sys.modules["sebsx_runtime"], module, sys.modules[f"sebsx_runtime.{module}"], raising=False)
    folder = importlib.import_module(package).__file__
    assert folder is not None
    return _load(f"shipped_{name}", Path(folder).parent / "shipped" / f"{name}.py")


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait_until(happened: Callable[[], object], process: subprocess.Popen[str], timeout_s: float = 60) -> None:
    """Wait until something happened while a process runs."""
    until_s = time.monotonic() + timeout_s
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s, "nothing happened for too long"
        time.sleep(0.01)


@dataclass(frozen=True)
class Said:
    """What a command of sebsx said, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The document on stdout; the exit code must be 0."""
        assert self.code == 0, self.stderr
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The one line that says what is wrong, without `error: `."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.stderr
        assert "Traceback (most recent call last)" not in self.stderr
        return lines[0].removeprefix("error: ")

    def assert_fails(self, code: int, *words: str) -> None:
        """Hold that it failed with this exit code and said these words in its one line."""
        assert self.code == code, self.stderr or self.stdout
        missing = [word for word in words if word not in self.error]
        assert not missing, self.error


def of_session(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of one test session share."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Path]) -> Path:
    """Return what `make` leaves in a folder: made by the first process of a session that asks, for all of them."""
    folder = of_session(factory) / name
    with folder.with_suffix(".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not (made := lock.read()):
            shutil.rmtree(folder, ignore_errors=True)  # what one that failed has left
            folder.mkdir()
            made = str(make(folder))
            lock.write(made)
    return Path(made)


Call = Callable[..., Said]
Write = Callable[..., Path]


def assert_nothing_left(call: Call) -> None:
    """Hold that `clean` finds nothing of this store's runs; sweepers of gateways that just ended get a moment.

    Tests share a cache, and with it the folder that runs work in: what another test left is that test's.
    """
    until_s = time.monotonic() + 15
    while left := call("--json", "clean", "--dry-run").json:
        others = {row["run"] for row in left} - {"", *(run["id"] for run in call("--json", "runs", "--all").json)}
        if not (left := [row for row in left if row["run"] not in others]):
            return
        assert time.monotonic() < until_s, left
        time.sleep(0.2)


@dataclass
class Cli:
    """Runs `sebsx` as a user would: in a process, with a home, cache and store that belong to the test.

    What is started is a new interpreter, to be looked at, interrupted and killed. What is called and waited for is
    forked from one that has imported sebsx, unless the environment changes what an interpreter does.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.home / "results.sqlite"

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sebsx", *arguments],
            cwd=self.home,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def __call__(self, *arguments: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
        if {name for name in self.environment if name.startswith("PYTHON")} == {"PYTHONWARNINGS"}:
            code, stdout, stderr = forked.run(arguments, self.home, self.environment, timeout_s)
        else:
            process = self.start(*arguments)
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            code = process.returncode
        assert "Traceback (most recent call last)" not in stderr, stderr
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    def say(self, *arguments: str, timeout_s: float = 90) -> Said:
        """Run and return what it said."""
        done = self(*arguments, timeout_s=timeout_s)
        return Said(done.returncode, done.stdout, done.stderr)

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query to the store."""
        with closing(sqlite3.connect(self.store)) as connection:
            return connection.execute(query).fetchall()

    def count(self, table: str = "measured") -> int:
        """Return how many rows a table or view of the store has; 0 while there is none."""
        try:
            return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])
        except sqlite3.OperationalError:
            return 0

    def json(self, *arguments: str) -> Any:
        """Run with `--json` and return the document; the exit code must be 0."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def beyond_this_machine(resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what `sebsx clean --json` found outside of the cache, where killed runs of other tests leave folders."""
    return [resource for resource in resources if resource["platform"] != "-"]


def processors_seen(sebsx: Cli) -> set[tuple[str, str]]:
    """Return the architectures that functions were to run on, each with that of a machine that sandboxes ran on."""
    known = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "x64": "x86_64"}
    rows = sebsx.rows(
        "SELECT DISTINCT deployment.architecture, json_extract(sandbox.facts, '$.machine') FROM sandbox "
        "JOIN deployment ON deployment.id = sandbox.deployment_id"
    )
    return {(asked, known.get(machine, str(machine))) for asked, machine in rows}


@cache
def interpreters() -> dict[str, str]:
    """Return an interpreter for each version of Python that the shim supports and this machine has, by version."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in (f"3.{minor}" for minor in range(9, 15)):
        name = f"python{version}"
        installed = map(str, (Path.home() / ".pyenv" / "versions").glob(f"3*/bin/{name}"))
        for path in (*installed, shutil.which(name)):
            # A shim of pyenv takes long, and is there for versions that it then cannot start.
            if path and version not in found and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
                found[version] = path
    return found
