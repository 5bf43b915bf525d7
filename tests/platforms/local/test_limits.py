from __future__ import annotations

import os
import signal
import subprocess
import sys
from statistics import fmean
from typing import TYPE_CHECKING

import pytest

from sebsx.errors import UnsupportedError
from sebsx.model import Severity, Status
from sebsx.system.processes import is_alive, marked
from sebsx.testing.contexts import RUN, context_for
from sebsx_local import cgroups
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from tests.platforms.local.conftest import Local, open_local
from tests.sandboxes.conftest import eventually, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 2**20
EAT = "def handler(event, context):\n    return len(bytearray(event * 2**20))\n"
SPIN = """
import time
def handler(event, context):
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < event: pass
    return (time.process_time() - cpu) / (time.perf_counter() - wall)
"""


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    yield from open_local(tmp_path_factory.mktemp("none"), limits="none")


@pytest.mark.root
def test_memory_beyond_the_limit_is_a_true_out_of_memory_kill(local: Local) -> None:
    deployment = local.deploy(EAT, memory_mib=128)
    assert deployment.effective["limits"]["memory"].startswith("cgroup-v")

    _, fits = local.call(deployment, 64)
    reply, body = local.call(deployment, 512)
    after, _ = local.call(deployment, 1)
    record = local.platform.records(deployment, [reply.request_id])[reply.request_id]

    assert fits["output"] == 64 * MIB
    assert (reply.http_status, local.platform.status_of(reply)) == (507, Status.OUT_OF_MEMORY)
    assert body["error"]["type"] == "Sebsx.OutOfMemory"
    assert record.max_memory_bytes == 128 * MIB
    assert after.headers["x-sebsx-start"] == "cold"


@pytest.mark.slow
@pytest.mark.root
def test_peak_memory_is_recorded(local: Local) -> None:
    deployment = local.deploy(EAT, memory_mib=256)

    reply, _ = local.call(deployment, 100)

    peak = local.platform.records(deployment, [reply.request_id])[reply.request_id].max_memory_bytes
    assert peak is not None
    assert 100 * MIB <= peak <= 140 * MIB


@pytest.mark.slow
@pytest.mark.root
def test_processor_share_follows_memory_once_loaded(local: Local) -> None:
    deployment = local.deploy(SPIN, memory_mib=177)  # 177 / 1769 = 0.1 vCPU

    assert deployment.effective["limits"]["cpu"].endswith("0.100 vCPU")
    assert local.call(deployment, 1.0)[1]["output"] < 0.2


@pytest.mark.slow
@pytest.mark.root
def test_processors_asked_for_are_given_whatever_the_memory(local: Local) -> None:
    deployment = local.deploy(SPIN, memory_mib=1769, options={"vcpu": 0.1})

    assert deployment.effective["vcpu"] == 0.1
    assert local.call(deployment, 1.0)[1]["output"] < 0.2


WORK = """
import os, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from sebsx_runtime.groups import group
def stopped_s():
    version, folder = group("cpu", "cpu")
    words = dict(line.split() for line in open(os.path.join(folder, "cpu.stat")))
    return int(words["throttled_time"]) / 1e9 if "throttled_time" in words else int(words["throttled_usec"]) / 1e6
def handler(event, context):
    stopped, cpu, last, used = stopped_s(), time.process_time(), time.perf_counter(), 0.0
    while used < event:  # without asking the kernel, which looks at the quota when it is asked for processor time
        now = time.perf_counter()
        used, last = used + (now - last) * (now - last < 0.0002), now
    cpu = time.process_time() - cpu
    return 1 + (stopped_s() - stopped) / cpu
"""


@pytest.mark.root
@pytest.mark.slow
def test_first_call_has_the_processor_share_of_later_ones(local: Local) -> None:
    # Time with the processor and time without it for the quota alone, whatever else the machine does: 14 times as much.
    later = local.deploy(WORK, memory_mib=128)
    local.call(later, 0.004)
    warm = [local.call(later, 0.004)[1]["output"] for _ in range(40)]
    cold = []
    for _ in range(30):
        deployment = local.deploy(WORK, memory_mib=128)
        cold.append(local.call(deployment, 0.004)[1]["output"])
        local.platform.teardown(deployment)
    # 0.6 of it with the quota of a whole period at the start; chance is 0.3 in each call.
    assert fmean(cold) == pytest.approx(fmean(warm), rel=0.2)


@pytest.mark.root
@pytest.mark.slow
def test_fork_bomb_is_bounded_and_dies_with_its_sandbox(local: Local) -> None:
    deployment = local.deploy("""
        import os, time
        def handler(event, context):
            count = 0
            try:
                while count < 5000:
                    if os.fork() == 0:
                        os.setsid()
                        time.sleep(600)
                    count += 1
            except OSError:
                pass
            return count
    """)

    _, body = local.call(deployment)
    count = body["output"]
    processes = [pid for pid, sandbox in marked("SEBSX_SANDBOX_ID").items() if sandbox == body["sebsx"]["sandbox"]]
    local.platform.teardown(deployment)

    assert 100 < count < cgroups.PIDS_MAX
    assert len(processes) > count
    eventually(lambda: not any(runs(pid) for pid in processes))


@pytest.mark.slow
@pytest.mark.root
def test_no_control_group_is_left(tmp_path: Path) -> None:
    for local in open_local(tmp_path):
        local.call(local.deploy(EAT, memory_mib=64), 1)
        owner = local.platform.gateway.owner
        assert [path for path, found in cgroups.find_groups() if found == owner]

    assert not [path for path, found in cgroups.find_groups() if found == owner]


def test_without_limits_it_says_so(unlimited: Local) -> None:
    deployment = unlimited.deploy(EAT, memory_mib=64)

    limits = deployment.effective["limits"]

    assert limits == {"memory": "none", "cpu": f"none, {os.cpu_count()} vCPU", "processes": "none"}
    assert unlimited.call(deployment, 128)[1]["output"] == 128 * MIB


@pytest.mark.skipif(os.cpu_count() == 1, reason="there is only one processor")
def test_without_control_groups_processors_cannot_be_chosen(unlimited: Local) -> None:
    assert unlimited.deploy(EAT, memory_mib=64).effective["vcpu"] == os.cpu_count()
    assert unlimited.deploy(EAT, memory_mib=64).effective["unenforced"] == ["cpu", "memory"]
    with pytest.raises(UnsupportedError, match=r"vcpu 0\.5 needs control groups"):
        unlimited.deploy(EAT, memory_mib=64, options={"vcpu": 0.5})


@pytest.mark.slow
def test_without_control_groups_memory_is_limited_by_rlimit(tmp_path: Path) -> None:
    run = open_local(tmp_path, limits="rlimit")
    local = next(run)
    deployment = local.deploy(EAT, memory_mib=128)

    _, fits = local.call(deployment, 64)
    reply, body = local.call(deployment, 512)
    record = local.platform.records(deployment, [reply.request_id])[reply.request_id]

    assert deployment.effective["limits"]["memory"] == "rlimit-data, each process"
    assert fits["output"] == 64 * MIB
    assert local.platform.status_of(reply) is Status.OUT_OF_MEMORY
    assert body["error"]["type"] == "MemoryError"
    assert record.max_memory_bytes is None  # nobody counts the whole sandbox: not the peak of one process instead
    run.close()


GROUP = """
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from sebsx_runtime.groups import group
def handler(event, context):
    return {name: group(name, v2) for name, v2 in (("cpu", "cpu"), ("memory", "memory"), ("blkio", "io"))}
"""


@pytest.mark.root
def test_sandbox_with_a_group_of_its_own_reads_that_alone(local: Local) -> None:
    deployment = local.deploy(GROUP)
    body = local.call(deployment)[1]
    own = body["sebsx"]["sandbox"]
    assert body["output"]["memory"][1].endswith(f"/{own}")
    assert all(place is None or place[1].endswith(f"/{own}") for place in body["output"].values())


def test_sandbox_without_a_group_of_its_own_reads_none(unlimited: Local) -> None:
    assert set(unlimited.call(unlimited.deploy(GROUP))[1]["output"].values()) == {None}


@pytest.mark.skipif(os.cpu_count() == 1, reason="there is only one processor")
def test_memory_without_a_limit_is_told_with_all_processors_too(unlimited: Local) -> None:
    whole = unlimited.deploy(EAT, memory_mib=1769 * (os.cpu_count() or 1))
    assert whole.effective["unenforced"] == ["memory"]


def test_child_outside_the_group_dies_without_control_groups_too(unlimited: Local) -> None:
    deployment = unlimited.deploy("""
        import os, time
        def handler(event, context):
            pid = os.fork()
            if pid == 0:
                os.setsid()
                time.sleep(600)
            return pid
    """)
    child = unlimited.call(deployment)[1]["output"]
    assert runs(child)

    unlimited.platform.teardown(deployment)

    eventually(lambda: not runs(child))


DAEMON = """
import os, subprocess, time
def handler(event, context):
    said, told = os.pipe()
    if os.fork() == 0:  # as a daemon does it: twice, with a session of its own, and nothing of the environment
        os.setsid()
        daemon = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True, stdout=-3, stderr=-3)
        os.write(told, str(daemon.pid).encode())
        os._exit(0)
    return int(os.read(said, 20))
"""


@pytest.mark.slow
@pytest.mark.parametrize("limits", [pytest.param("cgroup", marks=pytest.mark.root), "rlimit", "none"])
def test_daemon_of_a_function_ends_with_its_sandbox(tmp_path: Path, limits: str) -> None:
    run = open_local(tmp_path, limits=limits)
    local = next(run)
    first, second = local.deploy(DAEMON), local.deploy(DAEMON)
    daemon, other = local.call(first)[1]["output"], local.call(second)[1]["output"]
    assert runs(daemon)

    local.platform.teardown(first)

    eventually(lambda: not runs(daemon))
    assert runs(other)  # of another sandbox of the same gateway
    run.close()
    assert not runs(other)


@pytest.mark.slow
def test_crashed_run_is_found_and_removed_by_the_next(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from tests.platforms.local.conftest import open_local
run = open_local(Path({str(tmp_path / "first")!r}))
local = next(run)
deployment = local.deploy('''
import os, time
def handler(event, context):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.execve("/bin/sleep", ["sleep", "600"], {{}})
    return pid
''')
child = local.call(deployment)[1]["output"]
owner = local.platform.gateway.owner
# Everybody who could clear up: the process beside the gateway, the gateway, and this one.
gateway = owner.split(":")[0]
for pid in map(int, Path(f"/proc/{{gateway}}/task/{{gateway}}/children").read_text().split()):
    if b"sebsx_local.sweep" in Path(f"/proc/{{pid}}/cmdline").read_bytes():
        os.kill(pid, signal.SIGKILL)
os.kill(int(owner.split(":")[0]), signal.SIGKILL)
print(owner, child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": _path()}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    owner, child = done.stdout.split()
    eventually(lambda: not is_alive(owner))
    following = LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path / "first" / "next"))
    left = [resource for resource in following.orphans() if resource.provider_id == owner]
    # A run that starts meanwhile on this machine may have ended the processes already; folders beside it are ours.
    assert "workdir" in {resource.kind for resource in left}
    assert {resource.run_id for resource in left} == {RUN}

    for resource in left:
        following.remove(resource)
        following.remove(resource)

    assert not [resource for resource in following.orphans() if resource.provider_id == owner]
    assert not (tmp_path / "first" / "work").exists()
    assert not runs(int(child))


@pytest.mark.slow
def test_living_gateway_is_no_orphan(local: Local, tmp_path: Path) -> None:
    local.call(local.deploy(EAT), 1)

    beside = context_for(LocalPlatform, local.platform.workdir.parent / "other")
    orphans = LocalPlatform(LocalSettings(), beside).orphans()

    assert local.platform.gateway.owner not in {orphan.provider_id for orphan in orphans}


@pytest.mark.slow
def test_unknown_folders_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sebsx-gateway.json").write_text("{}")
    (tmp_path / "theirs" / "packages").mkdir()

    LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path / "mine")).orphans()
    for _ in open_local(tmp_path):
        pass

    assert (tmp_path / "theirs" / "packages").is_dir()


def _path() -> str:
    return os.pathsep.join(path for path in sys.path if path)


@pytest.mark.slow
@pytest.mark.parametrize(("limits", "told"), [("auto", 1), ("cgroup", 1), ("rlimit", 0), ("none", 0)])
def test_doctor_says_where_the_processor_cannot_follow_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: str, told: int
) -> None:
    monkeypatch.setattr(cgroups, "may_limit", lambda: False)
    problems = LocalPlatform(LocalSettings(limits=limits), context_for(LocalPlatform, tmp_path)).caveats()
    assert len(problems) == told
    for problem in problems:
        assert problem.severity is Severity.WARNING
        assert "systemd-run" in problem.advice
