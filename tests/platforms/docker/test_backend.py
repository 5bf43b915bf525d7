from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sebsx.building import Packager
from sebsx.clouds.tags import PLATFORM_TAG, RUN_TAG
from sebsx.errors import PlatformError, UnsupportedError
from sebsx.model import FunctionConfig, Resource, Status
from sebsx.plugins import Registry
from sebsx.system.processes import owner_of
from sebsx.testing.contexts import context_for
from sebsx_docker import engine
from sebsx_docker.backend import DockerPlatform
from sebsx_docker.settings import DockerSettings
from tests.platforms.docker.conftest import of_run, open_docker
from tests.platforms.local.conftest import Local
from tests.sandboxes.conftest import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

ECHO = "def handler(event, context):\n    return event\n"


def dead_owner() -> str:
    """Return the marker of a process of this namespace that has ended."""
    mine = owner_of(os.getpid())
    assert mine is not None
    return f"{os.getpid()}:1:{mine.rpartition(':')[2]}"


def test_warm_call_meets_the_same_sandbox(opened: Local) -> None:
    deployment = opened.deploy(ECHO)

    _, first = opened.call(deployment, {"a": 1})
    reply, second = opened.call(deployment, {"a": 2})

    assert second["output"] == {"a": 2}
    assert (second["sebsx"]["call"], reply.headers["x-sebsx-start"]) == (2, "warm")
    assert second["sebsx"]["sandbox"] == first["sebsx"]["sandbox"]


def test_records_of_a_cold_call_have_its_initialisation(opened: Local) -> None:
    deployment = opened.deploy(ECHO)
    reply, body = opened.call(deployment)

    record = opened.platform.records(deployment, [reply.request_id])[reply.request_id]

    assert record.init_s is not None
    assert record.init_s >= body["sebsx"]["boot_s"] > 0
    assert record.sandbox_id == body["sebsx"]["sandbox"]


def test_burst_starts_one_container_for_each_call(opened: Local) -> None:
    deployment = opened.deploy("import time\ndef handler(event, context):\n    time.sleep(event)\n", memory_mib=128)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: opened.call(deployment, 3.0), range(6)))

    assert {reply.http_status for reply, _ in answers} == {200}
    assert len({body["sebsx"]["sandbox"] for _, body in answers}) == 6


def test_what_a_function_prints_is_in_the_logs_in_order(opened: Local) -> None:
    deployment = opened.deploy("""
        import sys
        def handler(event, context):
            for number in range(200):
                print("line", number, "x" * 100, file=sys.stderr if number % 2 else sys.stdout)
    """)
    _, body = opened.call(deployment)
    sandbox = body["sebsx"]["sandbox"]

    def whole_log() -> list[str] | None:
        log: str = opened.platform.gateway.logs(deployment.id)[sandbox]
        return log.splitlines() if log.count("\n") >= 200 else None

    lines = eventually(whole_log)
    assert sorted(int(line.split()[1]) for line in lines) == list(range(200))
    assert all(line.endswith("x" * 100) for line in lines)


def test_function_that_cannot_be_loaded_says_why(opened: Local) -> None:
    reply, body = opened.call(opened.deploy("import no_such_module\n"))

    assert opened.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert "no_such_module" in body["error"]["message"]


def test_table_and_storage_hold_what_concurrent_containers_write(opened: Local) -> None:
    deployment = opened.deploy("""
        def handler(event, context):
            for number in range(20):
                context.table.put("p", "%d-%d" % (event, number), {"n": number})
            context.storage.upload("many/%d/deep" % event, b"x" * event)
    """)
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda number: opened.call(deployment, number), range(3)))
    count = opened.deploy("def handler(event, context):\n    return len(context.table.query('p'))\n")

    assert {reply.http_status for reply, _ in answers} == {200}
    assert opened.call(count)[1]["output"] == 60
    assert [opened.platform.storage().get(f"many/{number}/deep") for number in range(3)] == [b"", b"x", b"xx"]


def test_function_writes_beside_what_the_driver_put_there(opened: Local) -> None:
    opened.platform.storage().put("both/in", b"abc")
    deployment = opened.deploy("""
        def handler(event, context):
            context.storage.upload("both/out", context.storage.download("both/in") * 2)
            context.storage.upload("both/in", b"new")
    """)

    reply, body = opened.call(deployment)

    assert reply.http_status == 200, body
    assert opened.platform.storage().get("both/out") == b"abcabc"
    assert opened.platform.storage().get("both/in") == b"new"


def test_node_runs_the_same_way(opened: Local, sebsx_registry: Registry, tmp_path: Path) -> None:
    language, platform = sebsx_registry.get("languages", "nodejs")(), opened.platform
    if language.host_version() is None:
        pytest.skip("no Node.js here")
    benchmark = sebsx_registry.get("benchmarks", "sleep")
    target = platform.target("nodejs", platform.architectures[0])
    package = Packager(tmp_path).build(benchmark, language, target, platform=platform)
    deployment = platform.deploy(
        package,
        FunctionConfig(f"n-{uuid4().hex[:8]}", memory_mib=256, timeout_s=20.0, architecture=target.architecture),
    )

    reply, body = opened.call(deployment, {"duration_s": 0.01})

    assert reply.http_status == 200, body
    assert body["sebsx"]["facts"]["nodejs"].startswith(target.version)


def test_package_is_readable_inside_whatever_the_umask(opened: Local) -> None:
    before = os.umask(0o077)
    try:
        deployment = opened.deploy(f"# {uuid4().hex}\n{ECHO}")
    finally:
        os.umask(before)

    assert opened.call(deployment, 5)[1]["output"] == 5


def test_everything_of_a_run_carries_its_labels_and_goes_with_it(tmp_path: Path, client: Any) -> None:
    for local in open_docker(tmp_path):
        run = local.platform.context.run_id
        local.call(local.deploy(ECHO))
        (container,) = client.containers(filters={"label": f"{RUN_TAG}={run}"})
        (network,) = client.networks(filters={"label": f"{RUN_TAG}={run}"})
        assert run.lower() in container["Names"][0]
        assert run.lower() in network["Name"]
        assert list(container["NetworkSettings"]["Networks"]) == [network["Name"]]
        for labels in (container["Labels"], network["Labels"]):
            assert labels[engine.OWNER] == owner_of(os.getpid())
            assert labels[PLATFORM_TAG] == "docker"

    assert of_run(client, run) == []
    assert not (tmp_path / run / "docker").exists()


def test_killed_gateway_leaves_nothing_after_the_run(tmp_path: Path, client: Any) -> None:
    for local in open_docker(tmp_path):
        run = local.platform.context.run_id
        local.call(local.deploy(ECHO))
        os.kill(local.platform.gateway.pid, signal.SIGKILL)

    assert of_run(client, run) == []


def test_gateway_is_reached_from_the_runs_own_network_alone(opened: Local, tmp_path: Path) -> None:
    address = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')\n"
    connect = """
        import socket
        def handler(event, context):
            try:
                socket.create_connection((event[0], int(event[1])), timeout=5).close()
            except OSError as exc:
                return type(exc).__name__
            return "connected"
    """
    host, port = opened.call(opened.deploy(address))[1]["output"]

    assert opened.call(opened.deploy(connect), [host, port])[1]["output"] == "connected"
    for other in open_docker(tmp_path):
        assert other.call(other.deploy(connect), [host, port])[1]["output"] in {
            "ConnectionRefusedError",
            "TimeoutError",
        }


@pytest.mark.parametrize("internet", [True, False])
def test_network_leads_beyond_this_machine_only_if_wanted(tmp_path: Path, client: Any, internet: bool) -> None:
    for local in open_docker(tmp_path, internet=internet):
        (network,) = of_run(client, local.platform.context.run_id)
        assert client.inspect_network(network)["Internal"] is not internet
        assert local.call(local.deploy(ECHO), 1)[1]["output"] == 1


def test_two_platforms_at_once_do_not_disturb_each_other(tmp_path: Path, client: Any) -> None:
    first, second = open_docker(tmp_path), open_docker(tmp_path)
    one, two = next(first), next(second)
    deployments = one.deploy("def handler(event, context):\n    return 1\n"), two.deploy(ECHO)
    one.platform.storage().put("key", b"1")

    assert one.call(deployments[0])[1]["output"] == 1
    assert two.call(deployments[1], 2)[1]["output"] == 2
    first.close()

    reply, body = two.call(deployments[1], 3)
    assert (body["output"], reply.headers["x-sebsx-start"]) == (3, "warm")
    assert of_run(client, one.platform.context.run_id) == []
    assert len(of_run(client, two.platform.context.run_id)) == 2
    assert list(two.platform.storage().keys()) == []
    second.close()


def test_removed_container_of_a_living_run_is_replaced(opened: Local, client: Any) -> None:
    deployment = opened.deploy(ECHO)
    _, body = opened.call(deployment)
    (name,) = [name for name in of_run(client, opened.platform.context.run_id) if body["sebsx"]["sandbox"][:12] in name]

    client.remove_container(name, force=True)
    eventually(lambda: body["sebsx"]["sandbox"] not in opened.platform.gateway.state()[deployment.id])
    reply, _ = opened.call(deployment)

    assert (reply.http_status, reply.headers["x-sebsx-start"]) == (200, "cold")


def test_leftovers_of_a_dead_run_are_found_and_removed_and_nothing_else(
    tmp_path: Path, client: Any, opened: Local, alone: None
) -> None:
    image = opened.deploy(ECHO).effective["image"]
    suffix = uuid4().hex[:8]
    labels = {engine.OWNER: dead_owner(), PLATFORM_TAG: "docker", RUN_TAG: "dead"}
    network = f"sebsx-dead-{suffix}"
    engine.create_network(client, network, f"sbx-{suffix}", labels, internal=True)
    config = client.create_host_config(network_mode=network)
    dead = client.create_container(image, "sh", labels=labels | {engine.ON: network}, host_config=config)["Id"]
    stray = client.create_container(image, "sh", labels=labels)["Id"]
    foreign = client.create_container(image, "sh", name=f"sebsx-foreign-{suffix}", labels={"owner": "somebody"})["Id"]
    try:
        platform = DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path / "next" / "docker"))
        found = [resource for resource in platform.orphans() if resource.run_id == "dead"]
        assert {resource.provider_id for resource in found if resource.kind == "container"} >= {dead, stray}
        assert network in {resource.name for resource in found}
        assert not [resource for resource in platform.orphans() if resource.run_id == opened.platform.context.run_id]

        for resource in found:
            platform.remove(resource)
            platform.remove(resource)

        left = {item["Id"] for item in client.containers(all=True)}
        assert foreign in left
        assert not {dead, stray} & left
        assert of_run(client, "dead") == []
    finally:
        client.remove_container(foreign, force=True)


def test_network_of_somebody_else_is_never_removed(tmp_path: Path, client: Any) -> None:
    name = f"foreign-{uuid4().hex[:8]}"
    client.create_network(name)
    try:
        platform = DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path / "run" / "docker"))
        with pytest.raises(PlatformError, match="not ours"):
            platform.remove(Resource("network", name, platform="docker", run_id="run"))
        assert client.networks(names=[name])
    finally:
        client.remove_network(name)


def test_foreign_architecture_is_unsupported(opened: Local) -> None:
    with pytest.raises(UnsupportedError, match="'sparc'"):
        opened.platform.target("python", "sparc")


def test_launch_that_the_engine_refuses_is_answered_with_its_reason(opened: Local, client: Any) -> None:
    deployment = opened.deploy(ECHO)
    _, body = opened.call(deployment)
    assert body["output"] is None
    opened.platform.force_cold(deployment)
    # The engine makes a folder that a mount names and is not there, but it mounts no file over a folder.
    where = opened.platform._unpacked[deployment.config.name][1]  # type: ignore[attr-defined]
    where.rename(where.with_suffix(".away"))
    where.write_text("a file where a folder was")
    try:
        reply, body = opened.call(deployment)
    finally:
        where.unlink()
        where.with_suffix(".away").rename(where)
    assert opened.platform.status_of(reply) is Status.PLATFORM_ERROR
    assert body["error"]["type"] == "Sebsx.LaunchFailed"
    assert opened.call(deployment)[0].http_status == 200
