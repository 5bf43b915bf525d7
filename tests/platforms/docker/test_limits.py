"""What a function may take of this machine, as the engine says and as the function feels it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sebsx.clouds.tags import RUN_TAG
from sebsx.model import Status
from tests.platforms.docker.conftest import open_docker
from tests.platforms.local.conftest import Local
from tests.platforms.local.test_limits import EAT, SPIN
from tests.sandboxes.conftest import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

MIB = 2**20
LOOK = """
import os, socket
def tried(work):
    try:
        work()
    except OSError as exc:
        return type(exc).__name__ + " " + str(exc.errno)
    return "done"
def write(path):
    with open(path, "w") as file:
        file.write("x")
def fill(mib):
    with open("/tmp/large", "wb") as file:
        for _ in range(mib):
            file.write(bytes(2**20))
def handler(event, context):
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    return {
        "user": os.getuid(),
        "capabilities": [status["CapEff"], status["CapBnd"]],
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "root": tried(lambda: write("/file")),
        "package": tried(lambda: write("/var/task/file")),
        "tmp": tried(lambda: write("/tmp/file")),
        "too_large": tried(lambda: fill(64)),
        "home": os.environ["HOME"],
        "folder": os.getcwd(),
    }
"""


def containers_of(client: Any, local: Local) -> list[dict[str, Any]]:
    """Return what the engine says of the containers of a platform."""
    run = local.platform.context.run_id
    found = client.containers(all=True, filters={"label": f"{RUN_TAG}={run}"})
    return [client.inspect_container(item["Id"]) for item in found]


def test_memory_beyond_the_limit_is_out_of_memory_and_the_next_call_cold(opened: Local) -> None:
    deployment = opened.deploy(EAT, memory_mib=64)

    _, fits = opened.call(deployment, 20)
    reply, body = opened.call(deployment, 200)
    after, again = opened.call(deployment, 20)

    assert fits["output"] == again["output"] == 20 * MIB
    assert opened.platform.status_of(reply) is Status.OUT_OF_MEMORY
    assert (reply.http_status, body["error"]["type"]) == (507, "Sebsx.OutOfMemory")
    assert after.headers["x-sebsx-start"] == "cold"
    record = opened.platform.records(deployment, [reply.request_id])[reply.request_id]
    assert record.status is Status.OUT_OF_MEMORY


def test_peak_memory_of_the_container_is_recorded(opened: Local) -> None:
    deployment = opened.deploy(EAT, memory_mib=256)

    reply, _ = opened.call(deployment, 100)

    peak = opened.platform.records(deployment, [reply.request_id])[reply.request_id].max_memory_bytes
    assert peak is not None
    assert 100 * MIB <= peak <= 256 * MIB


def test_processor_share_follows_memory(opened: Local) -> None:
    """A quarter of 1,769 MB has a quarter of a processor, in the very first invocation too."""
    deployment = opened.deploy(SPIN, memory_mib=442)

    shares = [opened.call(deployment, 0.6)[1]["output"] for _ in range(2)]

    # Never above the share but for one period of 20 ms; below it where the machine is busy.
    assert all(0.05 < share < 0.25 + 0.1 for share in shares), shares


def test_engine_reports_the_limits_asked_for(opened: Local, client: Any) -> None:
    deployment = opened.deploy("def handler(event, context):\n    return 1\n", memory_mib=450)
    opened.call(deployment)

    (found,) = [item for item in containers_of(client, opened) if item["HostConfig"]["Memory"] == 450 * MIB]

    config = found["HostConfig"]
    assert config["MemorySwap"] == 450 * MIB
    assert config["CpuPeriod"] == 20_000
    assert config["CpuQuota"] == pytest.approx(20_000 * 450 / 1769, abs=1)
    assert (config["PidsLimit"], config["ReadonlyRootfs"], config["CapDrop"]) == (1024, True, ["ALL"])
    assert deployment.effective["limits"] == {
        "memory": "docker 450 MiB, no swap",
        "cpu": "docker 0.254 vCPU",
        "processes": "docker 1024",
    }
    assert found["HostConfig"]["PortBindings"] in (None, {})


def test_processor_is_limited_from_the_start_without_boost(
    tmp_path_factory: pytest.TempPathFactory, client: Any
) -> None:
    for local in open_docker(tmp_path_factory.mktemp("boost"), cpu_boost_at_init=False):
        deployment = local.deploy(SPIN, memory_mib=442)
        local.call(deployment, 0.01)
        assert [item["HostConfig"]["CpuPeriod"] for item in containers_of(client, local)] == [20_000]


def test_function_has_no_rights_and_a_tmp_of_the_size_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    for local in open_docker(tmp_path_factory.mktemp("rights"), tmp_mib=32):
        _, body = local.call(local.deploy(LOOK))
        found = body["output"]

    assert found["user"] != 0
    assert found["capabilities"] == ["0" * 16, "0" * 16]
    assert found["no_new_privileges"] == "1"
    assert (found["root"], found["package"]) == ("OSError 30", "OSError 30")  # EROFS
    assert (found["tmp"], found["too_large"]) == ("done", "OSError 28")  # ENOSPC
    assert (found["home"], found["folder"]) == ("/tmp", "/var/task")


def test_time_out_ends_the_container_and_the_next_call_is_cold(opened: Local, client: Any) -> None:
    deployment = opened.deploy("import time\ndef handler(event, context):\n    time.sleep(event)\n", timeout_s=0.5)
    opened.call(deployment, 0)
    before = {item["Id"] for item in containers_of(client, opened)}

    started = time.monotonic()
    reply, body = opened.call(deployment, 60)
    took_s = time.monotonic() - started
    after, _ = opened.call(deployment, 0)

    assert (opened.platform.status_of(reply), body["error"]["type"]) == (Status.TIMEOUT, "Sebsx.Timeout")
    assert took_s < 30
    assert after.headers["x-sebsx-start"] == "cold"
    eventually(lambda: before - {item["Id"] for item in containers_of(client, opened)})


@pytest.mark.parametrize(
    ("crash", "how"),
    [
        ("os._exit(7)", "exit code 7"),
        ("os.kill(os.getpid(), 9)", "signal SIGKILL"),
        ("os.abort()", "signal SIGABRT"),
    ],
)
def test_crash_is_a_function_error_that_says_how_it_ended(opened: Local, crash: str, how: str) -> None:
    deployment = opened.deploy(f"import os\ndef handler(event, context):\n    {crash}\n")

    reply, body = opened.call(deployment)

    assert opened.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert body["error"]["message"].startswith(f"{how} during the invocation")  # and what the shell says of it


def test_orphans_of_a_function_are_reaped(opened: Local) -> None:
    deployment = opened.deploy("""
        import os
        orphan = 0
        def handler(event, context):
            global orphan
            if not orphan:
                reading, writing = os.pipe()
                if os.fork() == 0:
                    os.write(writing, b"%d" % (os.fork() or os._exit(0)))
                    os._exit(0)
                os.wait()
                orphan = int(os.read(reading, 20))
            return os.path.exists(f"/proc/{orphan}")
    """)

    assert eventually(lambda: opened.call(deployment)[1]["output"] is False)  # a zombie would be there for good
