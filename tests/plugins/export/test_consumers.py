"""Exports are read by the programs they are for."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sebsx.contracts.runs import RunView
from sebsx.model import StartType
from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_export.asv import AsvExporter
from sebsx_export.otava import OtavaExporter
from sebsx_export.pytest_benchmark import PytestBenchmarkExporter, statistics

Consumer = Callable[..., Path]

in_environments = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]
DAY_S = 86_400
SLOWER_FROM, RUNS = 12, 24


def run(program: Path, *arguments: str, cwd: Path, codes: Sequence[int] = (0,)) -> str:
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout + done.stderr


def commits(folder: Path, count: int) -> list[str]:
    """Return the commits of a new repository, oldest first."""
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder))
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    found = []
    for number in range(count):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", str(number)], check=True)
        done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        found.append(done.stdout.strip())
    return found


def history(store: Store, of_commits: Sequence[str]) -> list[RunView]:
    """Return a run per commit, a day apart: about 100 ms warm, and 10 % more from `SLOWER_FROM` on."""
    rng = random.Random(7)
    views = []
    for number, commit in enumerate(of_commits):
        level_s = 0.1 if number < SLOWER_FROM else 0.11
        git = {"git": {"commit": commit, "dirty": False}}
        writer = RunWriter(store, number + 1, environment=git, started_s=1.75e9 + number * DAY_S)
        # p99 takes 299 samples (`stats.tail_samples`), so every third run lacks it.
        count = 40 if number % 3 == 0 else 320
        writer.add([rng.gauss(level_s, 0.002) for _ in range(count)])
        writer.add([rng.gauss(0.5, 0.01) for _ in range(40)], start=StartType.COLD)
        views.append(writer.finish())
    return views


WARM = "fake/-/x86_64/256MiB/echo[default,python]/warm"


class TestOtava:
    pytestmark = in_environments

    def test_every_test_can_be_read_and_the_change_point_is_where_it_was_made(
        self, store: Store, consumer: Consumer, tmp_path: Path
    ) -> None:
        views = history(store, [f"{number:040x}" for number in range(RUNS)])
        OtavaExporter().export(views[::-1], tmp_path / "h.otava")
        otava, folder = consumer("apache-otava==0.8.0") / "otava", tmp_path / "h.otava"
        names = run(otava, "list-tests", "--config-file", "otava.yaml", cwd=folder)
        others = (f"{WARM}#2", WARM.replace("warm", "cold"))
        assert [name for name in (WARM, *others) if name not in names] == []
        since = ("--config-file", "otava.yaml", "--since", "2025-01-01")
        said = run(otava, "analyze", *others, *since, cwd=folder)
        assert "ERROR" not in said
        assert said.count("2025-06-20") >= len(others)
        said = run(otava, "analyze", WARM, *since, "--output", "json", cwd=folder)
        (changes,) = json.loads(next(line for line in said.splitlines() if line.startswith("{"))).values()
        found = [
            (float(change["forward_change_percent"]), point["attributes"]["commit"])
            for point in changes
            for change in point["changes"]
            if change["metric"] == "client.latency_s.p50"
        ]
        percent, commit = max(found)  # the first points after a step may differ by less than a percent, and be told too
        assert commit == f"{SLOWER_FROM:040x}"
        assert percent == pytest.approx(10, abs=1)


class TestAsv:
    pytestmark = in_environments

    @pytest.fixture
    def project(self, store: Store, tmp_path: Path) -> Path:
        repository = tmp_path / "repository"
        views = history(store, commits(repository, RUNS))
        AsvExporter().export(views, tmp_path / "results.asv")
        configuration = {
            "version": 1, "project": "p", "repo": str(repository), "branches": ["main"], "results_dir": "results.asv",
            "html_dir": "html", "environment_type": "virtualenv",
        }  # fmt: skip
        (tmp_path / "asv.conf.json").write_text(json.dumps(configuration), encoding="utf-8")
        return tmp_path

    def test_results_are_published(self, project: Path, consumer: Consumer) -> None:
        said = run(consumer("asv==0.6.6", "virtualenv") / "asv", "publish", cwd=project)
        assert "rror" not in said
        index = json.loads((project / "html" / "index.json").read_text(encoding="utf-8"))
        assert "echo[default,python].warm.client.latency_s.p50" in index["benchmarks"]
        graphs = {path.stem: path for path in (project / "html" / "graphs").rglob("*.json")}
        points = json.loads(next(p for n, p in graphs.items() if "warm.client.latency_s.p50" in n).read_text("utf-8"))
        assert len(points) == RUNS
        assert points[0][1] == pytest.approx(0.1, rel=0.02)
        assert points[-1][1] == pytest.approx(0.11, rel=0.02)
        regressions = json.loads((project / "html" / "regressions.json").read_text(encoding="utf-8"))
        assert any("warm.client.latency_s.p50" in str(entry) for entry in regressions["regressions"])

    def test_commits_are_compared(self, project: Path, consumer: Consumer) -> None:
        asv = consumer("asv==0.6.6", "virtualenv") / "asv"
        log = subprocess.run(
            ["git", "-C", str(project / "repository"), "log", "--format=%H"], capture_output=True, text=True, check=True
        ).stdout.split()
        said = run(
            asv, "compare", log[-1], log[0], "--machine", "fake---x86_64-256MiB", "--factor", "1.05", cwd=project
        )
        assert any("warm.client.latency_s.p50" in line and line.startswith("| +") for line in said.splitlines()), said


class TestPytestBenchmark:
    pytestmark = in_environments

    def test_exports_are_compared(self, store: Store, consumer: Consumer, tmp_path: Path) -> None:
        views = history(store, [f"{number:040x}" for number in range(SLOWER_FROM + 1)])
        folder = tmp_path / "saved"
        folder.mkdir()
        for name, view in (("0001_base.json", views[0]), ("0002_new.json", views[-1])):
            PytestBenchmarkExporter().export([view], folder / name)
        program = consumer("pytest-benchmark==5.3.1", "pytest") / "pytest-benchmark"
        said = run(program, "compare", *map(str, sorted(folder.iterdir())), "--columns=median", cwd=tmp_path)
        assert "echo[default,python][warm]" in said
        assert "0001_base" in said

    def test_statistics_are_those_of_its_own_class(self, consumer: Consumer, tmp_path: Path) -> None:
        import numpy as np

        rng = np.random.default_rng(7)
        samples = [rng.lognormal(-3, 1, size).tolist() for size in range(1, 42)]
        (tmp_path / "samples.json").write_text(json.dumps(samples), encoding="utf-8")
        program = (
            "import json\nfrom pytest_benchmark.stats import Stats\nfound = []\n"
            "for sample in json.load(open('samples.json')):\n    stats = Stats()\n    stats.data = sample\n"
            "    found.append(stats.as_dict())\nprint(json.dumps(found))\n"
        )
        python = consumer("pytest-benchmark==5.3.1", "pytest") / "python"
        theirs = json.loads(run(python, "-c", program, cwd=tmp_path))
        for sample, expected in zip(samples, theirs, strict=True):
            ours = statistics(np.array(sample))
            for key, value in expected.items():
                assert ours[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9)), key
