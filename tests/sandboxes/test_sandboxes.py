from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sebsx.errors import DeployError, PlatformError
from sebsx.sandboxes import Gateway
from sebsx.sandboxes.pool import PoolConfig
from sebsx.system.processes import marked
from sebsx_local import cgroups, launcher, sweep
from tests.sandboxes.conftest import HELD, Harness, eventually, run_gateway, runs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_force_cold_ends_idle_sandboxes_and_spares_the_busy_one_until_it_answered(harness: Harness) -> None:
    name = harness.deploy(HELD)
    idle = harness.call_at_once(name, 2)
    with harness.held(name, 1) as (running,):
        harness.gateway.force_cold(name)
        left = harness.sandboxes(name)
    busy = running.result()
    after = harness.call(name, {"until": "/"})

    assert left == {busy.sandbox: "busy"}

    assert (busy.code, busy.start) == (200, "warm")
    assert after.start == "cold"
    assert after.sandbox not in {answer.sandbox for answer in (*idle, busy)}
    assert list(harness.sandboxes(name)) == [after.sandbox]


def test_deploying_again_changes_the_configuration_and_starts_cold(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    return context.memory_mib\n")
    assert harness.call(name).json["output"] == 1769
    root = harness.workdir / "packages" / name
    command = [sys.executable, "-I", "-S", str(root / "sebsx_runtime" / "bootstrap.py")]

    harness.gateway.deploy(PoolConfig(name, 256, 5.0, options={"command": command, "root": str(root)}))
    answer = harness.call(name)

    assert (answer.start, answer.json["output"]) == ("cold", 256)


def test_removed_deployment_leaves_no_process_and_answers_no_more(harness: Harness) -> None:
    name = harness.deploy("import os\ndef handler(event, context):\n    return os.getpid()\n")
    pid = harness.call(name).json["output"]

    harness.gateway.remove(name)
    harness.gateway.remove(name)

    assert not runs(pid)
    assert harness.call(name).code == 404


@pytest.mark.slow
def test_fixed_policy_evicts_after_the_idle_time(harness: Harness) -> None:
    name = harness.deploy(keep_alive_policy="fixed", keep_alive_s=0.4)
    first = harness.call(name)
    assert first.sandbox in harness.sandboxes(name)

    eventually(lambda: not harness.sandboxes(name))

    assert harness.call(name).start == "cold"


@pytest.mark.slow
def test_fixed_policy_counts_from_the_last_use(harness: Harness) -> None:
    keep_alive_s = 0.6
    name = harness.deploy(keep_alive_policy="fixed", keep_alive_s=keep_alive_s)
    assert harness.call(name).start == "cold"
    first_s = last_s = time.monotonic()

    while last_s - first_s < 1.5 * keep_alive_s:
        time.sleep(0.05)
        start, now_s = harness.call(name).start, time.monotonic()
        assert start == "warm" or now_s - last_s >= keep_alive_s  # a machine may be so busy
        last_s = now_s


@pytest.mark.slow
def test_halving_policy_evicts_half_each_period(harness: Harness) -> None:
    name = harness.deploy(HELD, keep_alive_policy="halving", keep_alive_s=0.5)
    harness.call_at_once(name, 8)
    seen: list[int] = []

    def watch() -> bool:
        count = len(harness.sandboxes(name))
        if not seen or seen[-1] != count:
            seen.append(count)
        return count == 0

    eventually(watch)

    # 8 * 2^-k for k = 0, 1, 2, 3 and none after; a slow machine may miss a step but never shows another.
    assert seen[0] <= 8
    assert set(seen) <= {8, 4, 2, 1, 0}
    assert len(seen) >= 3


@pytest.mark.slow
def test_exponential_policy_evicts_all_in_the_end(harness: Harness) -> None:
    name = harness.deploy(HELD, keep_alive_policy="exponential", keep_alive_s=0.3, keep_alive_seed=7)
    answers = harness.call_at_once(name, 3)
    assert {answer.start for answer in answers} == {"cold"}

    assert eventually(lambda: not harness.sandboxes(name))
    assert harness.call(name, {"until": "/"}).start == "cold"


@pytest.mark.slow
def test_gateway_ends_with_its_parent_and_takes_all_sandboxes_along(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from tests.sandboxes.conftest import run_gateway
workdir = Path({str(tmp_path)!r})
run = run_gateway(workdir)
harness = next(run)
name = harness.deploy('''
import os, time
def handler(event, context):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    return os.getpid()
''')
print(harness.gateway.pid, harness.call(name).json["output"], flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2

    parent.kill()
    parent.wait()
    parent.stdout.close()

    eventually(lambda: not any(runs(pid) for pid in pids))
    eventually(lambda: _nothing_carries(str(pids[0])))


@pytest.mark.slow
def test_killed_gateway_leaves_nothing_running(tmp_path: Path) -> None:
    run = run_gateway(tmp_path)
    harness = next(run)
    name = harness.deploy("""
        import os, time
        def handler(event, context):
            if os.fork() == 0:
                os.setsid()
                time.sleep(600)
    """)
    harness.call(name)
    pid = harness.gateway.pid

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: _nothing_carries(str(pid)))
    with pytest.raises(PlatformError, match=r"gateway has ended with code -9 on 'force_cold'"):
        harness.gateway.force_cold(name)
    run.close()


@pytest.mark.slow
def test_terminated_gateway_stops_in_order(tmp_path: Path) -> None:
    run = run_gateway(tmp_path)
    harness = next(run)
    harness.call(harness.deploy())
    pid = harness.gateway.pid
    assert not _nothing_carries(str(pid))
    assert list((tmp_path / "sandboxes").glob("*"))

    os.kill(pid, signal.SIGTERM)

    assert eventually(lambda: _nothing_carries(str(pid)))
    assert eventually(lambda: not list((tmp_path / "sandboxes").glob("*")))
    run.close()


@pytest.mark.slow
def test_port_in_use_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = Gateway(launcher.NAME, _options(tmp_path), tmp_path / "gateway.log", port=port)

        with pytest.raises(DeployError, match=f"set port to 0 or to a free one instead of {port}"):
            gateway.start()


@pytest.mark.slow
def test_launcher_that_does_not_exist_is_told_from_the_log(tmp_path: Path) -> None:
    gateway = Gateway("sebsx_local.launcher:Nothing", _options(tmp_path), tmp_path / "gateway.log")

    with pytest.raises(DeployError, match=r"did not start; its log ends with .*no attribute 'Nothing'"):
        gateway.start()


def test_sandbox_that_cannot_be_started_is_a_platform_error(harness: Harness) -> None:
    options = {"command": ["/bin/true"], "root": "/no/such/folder"}
    harness.gateway.deploy(PoolConfig("nowhere", 128, 5.0, options=options))

    answer = harness.call("nowhere")

    assert (answer.code, answer.status, answer.error["type"]) == (500, "platform_error", "Sebsx.LaunchFailed")
    assert harness.sandboxes("nowhere") == {}


@pytest.mark.slow
def test_launcher_that_fails_as_it_should_not_is_a_fault_of_the_gateway(tmp_path: Path) -> None:
    run = run_gateway(tmp_path, launched_by="tests.sandboxes.faulty:FaultyLauncher")
    harness = next(run)

    answer = harness.call(harness.deploy())

    assert (answer.code, answer.status, answer.error["type"]) == (500, "platform_error", "Sebsx.GatewayFault")
    run.close()


@pytest.mark.slow
def test_gateway_works_without_uvloop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "uvloop.py").write_text("raise ImportError")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "path"), *sys.path])
    run = run_gateway(tmp_path)
    harness = next(run)
    name = harness.deploy("def handler(event, context):\n    print('seen')\n    return len(event)\n", timeout_s=5.0)
    exits = harness.deploy("import os\ndef handler(event, context):\n    os._exit(1)\n")

    answers = [harness.call(name, "x" * size) for size in (1, 3_000_000)]

    assert [(answer.start, answer.json["output"]) for answer in answers] == [("cold", 1), ("warm", 3_000_000)]
    assert harness.call(exits).status == "function_error"
    assert eventually(lambda: "seen\nseen\n" in harness.gateway.logs(name).values())
    run.close()


@pytest.mark.slow
def test_two_gateways_do_not_see_each_other(tmp_path: Path, harness: Harness) -> None:
    (tmp_path / "other").mkdir()
    for other in run_gateway(tmp_path / "other"):
        name = other.deploy()
        assert other.call(name).code == 200
        mine = harness.deploy()
        sandbox = harness.call(mine).sandbox

        other.gateway.remove(name)

        assert harness.call(mine).sandbox == sandbox


def test_control_needs_the_token(harness: Harness) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", harness.gateway.port, timeout=10)
    connection.request("POST", "/control/state", b"{}", {"X-Sebsx-Token": "guess"})

    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.slow
def test_files_in_the_current_folder_do_not_shadow_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])

    for harness in run_gateway(tmp_path):
        assert harness.call(harness.deploy()).code == 200


def _options(workdir: Path) -> dict[str, object]:
    return {"workdir": str(workdir), "limits": "auto", "cpu_boost_at_init": True}


def _nothing_carries(gateway_pid: str) -> bool:
    owners = [*marked(sweep.OWNER).values(), *(owner for _, owner in cgroups.find_groups())]
    return not any(owner.partition(":")[0] == gateway_pid for owner in owners)


@pytest.mark.slow
def test_first_event_waits_until_the_limits_are_in_force(tmp_path: Path) -> None:
    code = "import time\ndef handler(event, context):\n    return time.time()\n"
    for harness in run_gateway(tmp_path, launched_by="tests.sandboxes.faulty:SlowLimitsLauncher"):
        answer = harness.call(harness.deploy(code))

        assert answer.json["output"] >= float((tmp_path / "limited").read_text())


@pytest.mark.slow
def test_force_cold_returns_when_idle_sandboxes_are_gone(harness: Harness) -> None:
    name = harness.deploy("import os\ndef handler(event, context):\n    return os.getpid()\n")
    pid = harness.call(name).json["output"]

    harness.gateway.force_cold(name)

    assert not runs(pid)
