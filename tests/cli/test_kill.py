"""Processes that are killed: what was committed stays, the run is seen as interrupted, `clean` finds the rest."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sebsx.system.processes import bearing, is_alive, owner_of
from sebsx_local import cgroups, sweep
from tests.support import Call, Cli, Said, assert_nothing_left, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

PLATFORM = 4
MOMENTS = 4  # one in each part of a run; hundreds are in tests/soak
ENDLESS = ("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "100000")


def gateways(cli: Cli) -> list[str]:
    """Return the gateways that the runs of this store ever had, each as `pid:start:namespace`."""
    return [owner for (owner,) in cli.rows("SELECT provider_id FROM resource WHERE kind = 'gateway'") if owner]


def assert_clean_machine(cli: Cli, call: Call) -> None:
    """Hold that of all gateways of this store no process, control group or folder is left."""
    assert_nothing_left(call)
    owners = set(gateways(cli))
    assert [owner for owner in owners if is_alive(owner)] == []
    assert [owner for owner in owners if sweep.processes_of(owner)] == []
    assert owners & {owner for _, owner in cgroups.find_groups()} == set()
    assert list((Path(cli.environment["XDG_CACHE_HOME"]) / "sebsx" / "work").iterdir()) == []
    assert cli.rows("SELECT count(*) FROM resource WHERE state NOT IN ('deleted', 'lost')") == [(0,)]


@pytest.mark.slow
def test_gateway_killed_in_the_middle_of_a_run_ends_it_and_keeps_the_rows(sebsx: Cli, call: Call) -> None:
    process = sebsx.start(*ENDLESS)
    wait_until(lambda: sebsx.count() >= 20, process)
    (owner,) = gateways(sebsx)
    before = sebsx.count()
    os.kill(int(owner.partition(":")[0]), signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=60)
    said = Said(process.returncode, stdout, stderr)
    said.assert_fails(PLATFORM, "the gateway has ended with code -9")
    assert sebsx.count() >= before
    assert sebsx.rows("SELECT status FROM run") == [("failed",)]
    assert call("clean").code == 0
    assert_clean_machine(sebsx, call)
    run_id = call("runs", "--json").json[0]["id"]
    assert f"sebsx run --resume {run_id}" in stderr


@pytest.mark.slow
def test_compilers_of_a_killed_run_are_ended(sebsx: Cli, call: Call, write_function: Callable[..., Path]) -> None:
    body = "\n".join(f"def f{n}(a, b):\n    return [a[b:{n}] for a in b if {n}]" for n in range(2000))
    large = write_function(
        "large",
        "def handler(event, context):\n    return 1\n",
        files={f"python/m{n}.py": f"N = {n}\n{body}" for n in range(40)},
    )
    process = sebsx.start("run", "benchmark", str(large), "--repetitions", "1")
    owner = owner_of(process.pid)
    assert owner is not None
    wait_until(lambda: len(bearing(owner) - {process.pid}) > 1, process)
    compilers = bearing(owner) - {process.pid}
    for pid in compilers:
        os.kill(pid, signal.SIGSTOP)  # one that has no work yet would end by itself
    process.kill()
    process.communicate()
    os.kill(min(compilers), signal.SIGKILL)  # whom the workers wait for
    assert bearing(owner)
    assert call("clean").code == 0
    assert bearing(owner) == set()
    assert_clean_machine(sebsx, call)


@pytest.mark.slow
def test_killed_run_is_resumed_at_once_while_the_old_one_is_still_swept_away(sebsx: Cli, call: Call) -> None:
    process = sebsx.start("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "60")
    wait_until(lambda: sebsx.count() >= 10, process)
    process.kill()
    process.communicate()
    assert call("run", "--resume", "last").code == 0
    kept = "SELECT count(*), count(DISTINCT sequence) FROM invocation WHERE kind = 'measured'"
    assert sebsx.rows(kept) == [(60, 60)]
    assert call("clean").code == 0
    assert_clean_machine(sebsx, call)


@pytest.mark.slow
def test_killed_run_is_seen_as_interrupted_at_once(sebsx: Cli, call: Call) -> None:
    process = sebsx.start(*ENDLESS)
    wait_until(lambda: sebsx.count() >= 1, process)
    assert [run["status"] for run in call("runs", "--json").json] == ["running"]
    process.kill()
    process.communicate()
    assert [run["status"] for run in call("runs", "--json").json] == ["interrupted"]
    assert call("clean").code == 0
    assert_clean_machine(sebsx, call)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_nothing_committed_is_lost_and_nothing_stays(sebsx: Cli, call: Call) -> None:
    words = ("run", "benchmark", "crud-api", "--size", "test", "--repetitions", "8")
    began_s = time.monotonic()
    assert sebsx(*words).returncode == 0
    whole_s = time.monotonic() - began_s
    rng = random.Random(20)
    killed = 0
    for part in range(MOMENTS):
        seen = sebsx.count("invocation")
        process = sebsx.start(*words, start_new_session=True)
        until_s = time.monotonic() + whole_s * (part + rng.random()) / MOMENTS
        while time.monotonic() < until_s and process.poll() is None:
            seen = max(seen, sebsx.count("invocation"))
            time.sleep(0.02)
        killed += process.poll() is None
        process.kill()
        process.communicate(timeout=30)
        assert sebsx.count("invocation") >= seen
        assert sebsx.rows("PRAGMA integrity_check") == [("ok",)]
        assert {run["status"] for run in call("runs", "--json").json} <= {"interrupted", "finished"}
        assert call("clean").code == 0
        assert_clean_machine(sebsx, call)
    assert killed >= MOMENTS // 2
    interrupted = [run["id"] for run in call("runs", "--json").json if run["status"] == "interrupted"]
    assert interrupted
    kept = sebsx.count("invocation")
    resumed = call("run", "--resume", interrupted[0], "--json").json
    assert {cell["status"] for cell in resumed["cells"]} == {"finished"}
    assert sebsx.count("invocation") > kept
    counted = f"SELECT count(*) FROM measured WHERE run = '{interrupted[0]}' GROUP BY benchmark, start_wanted"
    assert sebsx.rows(counted) == [(8,)] * 2
    assert_clean_machine(sebsx, call)
