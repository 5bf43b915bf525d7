"""The template is a distribution of its own: built, installed beside sebsx and run, with no edit to either."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IGNORED = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".git", "dist")

pytestmark = [pytest.mark.slow, pytest.mark.network]


class Machine:
    """A fresh virtual environment with sebsx and the template, away from the source tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.template = folder / "my-plugin"
        wheels = folder / "wheels"
        shutil.copytree(ROOT / "plugins" / "_template", self.template, ignore=IGNORED)
        self.uv("build", "--wheel", "--out-dir", str(wheels), str(ROOT))
        self.uv("build", "--wheel", "--out-dir", str(wheels), str(self.template))
        self.wheels = sorted(wheels.glob("*.whl"))
        self.uv("venv", "--python", sys.executable, str(folder / "venv"))
        self.uv("pip", "install", "--python", str(self.bin / "python"), *map(str, self.wheels), "pytest", "uv")

    def uv(self, *arguments: str) -> None:
        """Run uv and show what it said if it fails."""
        self._run([sys.executable, "-m", "uv", *arguments], self.folder)

    def run(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        """Run a program of the environment and return what it printed."""
        return self._run([str(self.bin / program), *arguments], folder or self.folder)

    def _run(self, command: list[str], folder: Path) -> str:
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"} | {
            name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))
        }
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


def test_wheels_hold_import_packages_and_nothing_generic(machine):
    for wheel in machine.wheels:
        with zipfile.ZipFile(wheel) as archive:
            tops = {name.split("/")[0] for name in archive.namelist()}
        assert all(top.startswith("sebsx") for top in tops), wheel.name
    (sebsx,) = (wheel for wheel in machine.wheels if wheel.name.startswith("sebsx-"))
    with zipfile.ZipFile(sebsx) as archive:
        names = archive.namelist()
    assert "sebsx_python/plugin.py" in names
    assert "sebsx/testing/echo/python/function.py" in names
    assert not [name for name in names if "_template" in name]


def test_installed_template_is_found(machine):
    report = machine.run(
        "python",
        "-c",
        "import json; from sebsx import plugins; registry = plugins.load();"
        "found = [sorted(registry.platforms), sorted(registry.benchmarks), sorted(registry.analyzers)];"
        "mine = [p for p in registry.plugins if p.distribution == 'sebsx-template'];"
        "print(json.dumps([found, [[p.name, p.version, p.error] for p in mine]]))",
    )
    (platforms, benchmarks, analyzers), mine = json.loads(report)
    assert "one-shot" in platforms
    assert "primes" in benchmarks
    assert "failures" in analyzers
    assert mine == [["template", "0.1.0", None]]


def test_template_keeps_the_contracts_where_it_is_installed(machine):
    output = machine.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=machine.template)
    assert " passed" in output
    assert "failed" not in output


@pytest.mark.skipif(importlib.util.find_spec("sebsx.cli") is None, reason="this sebsx has no command line")
def test_command_line_lists_and_runs_the_template(machine):
    platforms = json.loads(machine.run("sebsx", "list", "platforms", "--json"))
    assert "one-shot" in {platform["name"] for platform in platforms}
    assert "sebsx-template" in machine.run("sebsx", "plugins")
    store = machine.folder / "results.db"
    words = ["run", "benchmark", "primes", "--platform", "one-shot", "--size", "test", "--repetitions", "3"]
    json.loads(machine.run("sebsx", "--store", str(store), "--json", *words, "--start", "cold"))
    runs = json.loads(machine.run("sebsx", "--store", str(store), "--json", "runs"))
    assert [run["status"] for run in runs] == ["finished"]
