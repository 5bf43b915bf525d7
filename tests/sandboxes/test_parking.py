"""Sandboxes that are prepared ahead of their calls: what is parked, what runs in it, and what is left of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sebsx.sandboxes.pool import PoolConfig
from sebsx_local import sweep
from tests.sandboxes.conftest import HELD, Harness, eventually, run_gateway, runs

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.root
TICK = os.sysconf("SC_CLK_TCK")
BORN = """
import os
def handler(event, context):
    with open("/proc/self/stat") as file:
        started = int(file.read().rpartition(")")[2].split()[19])
    with open("/sys/fs/cgroup" + next(
        "/memory" + path if os.path.isdir("/sys/fs/cgroup/memory") else path
        for line in open("/proc/self/cgroup").read().splitlines()
        for _, names, path in [line.split(":", 2)] if names in ("memory", "")
    ) + "/cgroup.procs") as file:
        inside = [int(word) for word in file.read().split()]
    return {"pid": os.getpid(), "parent": os.getppid(), "started": started, "inside": inside}
"""


def parked(harness: Harness) -> set[int]:
    """Return the shells of a gateway that wait for a sandbox."""
    children = Path(f"/proc/{harness.gateway.pid}/task/{harness.gateway.pid}/children").read_text().split()
    shells = {int(pid) for pid in children if b"sebsx-sandbox" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    return {pid for pid in shells if not Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_call_starts_a_new_interpreter_inside_the_group_that_was_ready(tmp_path: Path) -> None:
    run = run_gateway(tmp_path)
    harness = next(run)
    name = harness.deploy(BORN)
    (shell,) = eventually(lambda: parked(harness))
    time.sleep(2 / TICK)  # or the shell could be as old as the call, in the steps in which the kernel counts
    called = int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICK)

    output = harness.call(name).json["output"]

    assert output["parent"] == shell
    assert output["started"] >= called
    assert set(output["inside"]) == {shell, output["pid"]}
    run.close()


@pytest.mark.slow
def test_as_many_are_ready_after_force_cold_as_there_were(harness: Harness) -> None:
    name = harness.deploy(HELD)
    harness.call_at_once(name, 3)

    harness.gateway.force_cold(name)

    assert len(parked(harness)) == 3
    harness.gateway.remove(name)


@pytest.mark.slow
def test_sandbox_of_another_configuration_is_not_the_one_that_was_ready(harness: Harness) -> None:
    name = harness.deploy(BORN)
    shells = eventually(lambda: parked(harness))
    root = harness.workdir / "packages" / name
    command = [sys.executable, "-I", "-S", str(root / "sebsx_runtime" / "bootstrap.py")]

    harness.gateway.deploy(PoolConfig(name, 256, 5.0, options={"command": command, "root": str(root)}))

    assert harness.call(name).json["output"]["parent"] not in shells
    eventually(lambda: not any(runs(shell) for shell in shells))
    harness.gateway.remove(name)


def test_shell_that_was_killed_costs_no_call(harness: Harness) -> None:
    name = harness.deploy(BORN)
    shells = eventually(lambda: parked(harness))
    for shell in shells:
        os.kill(shell, signal.SIGKILL)
    eventually(lambda: not any(runs(shell) for shell in shells))  # one that is about to end could still be told

    assert harness.call(name).code == 200
    harness.gateway.remove(name)


def _gateway_alone(harness: Harness) -> None:
    os.kill(harness.gateway.pid, signal.SIGKILL)


def _all_that_would_clear_up(harness: Harness) -> None:
    own = harness.gateway.pid
    shells = parked(harness)
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    for pid in (*(int(child) for child in children if int(child) not in shells), own):
        os.kill(pid, signal.SIGKILL)


def _in_order(harness: Harness) -> None:
    os.kill(harness.gateway.pid, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [_gateway_alone, _all_that_would_clear_up, _in_order])
def test_nothing_that_is_parked_outlives_the_gateway(tmp_path: Path, kill: Callable[[Harness], None]) -> None:
    run = run_gateway(tmp_path)
    harness = next(run)
    owner = harness.gateway.owner
    harness.deploy()
    shells = eventually(lambda: parked(harness))

    kill(harness)

    eventually(lambda: not any(runs(shell) for shell in shells))
    run.close()
    sweep.clear(owner)
