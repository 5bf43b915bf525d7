"""Whole runs from the command line, on real containers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cli.test_kill import ENDLESS
from tests.platforms.docker.conftest import of_run
from tests.support import Cli, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300), pytest.mark.usefixtures("needs_engine")]


def run_ids(cli: Cli) -> list[str]:
    return [run["id"] for run in cli.json("runs")]


@pytest.mark.network
def test_benchmarks_are_measured_cold_and_warm_and_nothing_stays(sebsx: Cli, client: Any, alone: None) -> None:
    words = ("run", "benchmark", "sleep", "thumbnailer", "--platform", "docker", "--size", "test", "--repetitions", "3")
    assert sebsx(*words, timeout_s=200).returncode == 0

    counted = "SELECT benchmark, start_type, status, count(*) FROM measured GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    assert sebsx.rows(counted) == [
        ("sleep", "cold", "ok", 3),
        ("sleep", "warm", "ok", 3),
        ("thumbnailer", "cold", "ok", 3),
        ("thumbnailer", "warm", "ok", 3),
    ]
    memory = "SELECT min(provider_max_memory_bytes), min(provider_init_s) FROM measured WHERE start_type = 'cold'"
    ((peak, init_s),) = sebsx.rows(memory)
    assert peak > 0
    assert init_s > 0
    (run,) = run_ids(sebsx)
    assert of_run(client, run) == []
    # Tests beside this one share the cache: what their killed runs left may be cleaned here too.
    assert [row for row in sebsx.json("clean") if row["run"] == run] == []
    assert sebsx.rows("SELECT DISTINCT kind, state FROM resource ORDER BY 1") == [
        ("function", "deleted"),
        ("network", "deleted"),
    ]


@pytest.fixture
def dead(sebsx: Cli, client: Any, alone: None) -> str:
    """The id of a run that was killed while its container worked."""
    process = sebsx.start(*ENDLESS, "--platform", "docker")
    try:
        wait_until(lambda: sebsx.count() >= 1, process)
        (found,) = run_ids(sebsx)
        assert len(of_run(client, found)) >= 2  # a network and a container
    finally:
        process.kill()
        process.communicate(timeout=60)
    return found


def test_killed_run_leaves_nothing_after_clean(sebsx: Cli, client: Any, dead: str) -> None:
    assert sebsx("clean").returncode == 0

    assert of_run(client, dead) == []
    assert dead not in {row["run"] for row in sebsx.json("clean", "--platform", "docker", "--dry-run")}


def test_orphans_of_another_store_are_cleaned_when_asked_for(sebsx: Cli, client: Any, dead: str) -> None:
    for file in sebsx.home.glob("results.sqlite*"):
        file.unlink()

    listed = sebsx.json("clean", "--platform", "docker", "--dry-run")
    assert {row["kind"] for row in listed if row["run"] == dead} >= {"network"}
    assert sebsx("clean", "--platform", "docker").returncode == 0

    assert of_run(client, dead) == []


def test_two_runs_at_once_both_finish(sebsx: Cli, client: Any) -> None:
    words = ("run", "benchmark", "sleep", "--platform", "docker", "--size", "test", "--repetitions", "2")
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda _: sebsx(*words, timeout_s=200), range(2)))

    assert [item.returncode for item in done] == [0, 0], [item.stderr for item in done]
    assert sebsx.rows("SELECT status, count(*) FROM run GROUP BY 1") == [("finished", 2)]
    assert {status for (status,) in sebsx.rows("SELECT DISTINCT status FROM measured")} == {"ok"}
    assert [of_run(client, found) for found in run_ids(sebsx)] == [[], []]


@pytest.mark.slow
@pytest.mark.network  # the base image is made of Debian's packages
@pytest.mark.usefixtures("needs_qemu")
def test_emulated_architecture_is_stored_and_said(sebsx: Cli) -> None:
    words = ("run", "benchmark", "sleep", "--platform", "docker-arm", "--size", "test", "--start", "warm")
    assert sebsx(*words, "--repetitions", "2", timeout_s=200).returncode == 0

    stored = "SELECT architecture, json_extract(effective, '$.emulated') FROM deployment"
    assert sebsx.rows(stored) == [("arm64", 1)]
    report = sebsx.json("analyze", *run_ids(sebsx))
    (text,) = [finding["text"] for finding in report["findings"] if "emulated" in finding["text"]]
    assert text.startswith("docker-arm emulated arm64 on another processor: its times are not those of arm64")
