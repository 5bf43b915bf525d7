from __future__ import annotations

import dataclasses
import platform as host
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sebsx.contracts.ledger import Creation
from sebsx.errors import DeployError, PlatformError, UnsupportedError
from sebsx.model import Capability, FunctionConfig, Package, Status, Target
from sebsx.model.capabilities import CORE_CAPABILITIES
from sebsx.testing.contexts import context_for
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from tests.packages import zip_package
from tests.platforms.local.conftest import Local, open_local
from tests.sandboxes.conftest import eventually, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ECHO = "def handler(event, context):\n    return event\n"
PID = "import os\ndef handler(event, context):\n    return os.getpid()\n"


def test_invocation_is_answered_and_recorded(local: Local) -> None:
    deployment = local.deploy(ECHO)

    reply, body = local.call(deployment, {"a": 1})
    record = local.platform.records(deployment, [reply.request_id, "unknown"])

    assert body["output"] == {"a": 1}
    assert local.platform.status_of(reply) is Status.OK
    assert list(record) == [reply.request_id]
    assert record[reply.request_id].sandbox_id == body["sebsx"]["sandbox"]
    assert record[reply.request_id].status is Status.OK
    assert record[reply.request_id].cost_usd is None


def test_target_is_this_machine(local: Local) -> None:
    target = local.platform.target("python", local.platform.architectures[0])

    assert target.version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert target.architecture in ("x86_64", "arm64")
    assert (target.binaries == "") == (host.libc_ver()[0] != "glibc")


def test_foreign_architecture_is_unsupported(local: Local) -> None:
    foreign = "arm64" if local.platform.architectures[0] == "x86_64" else "x86_64"

    with pytest.raises(UnsupportedError, match=foreign):
        local.platform.target("python", foreign)


def test_impossible_memory_is_unsupported(local: Local) -> None:
    with pytest.raises(UnsupportedError, match="100000000 MiB"):
        local.deploy(ECHO, memory_mib=10**8)


def test_less_memory_than_the_least_is_rounded_up(local: Local) -> None:
    assert local.deploy(ECHO, memory_mib=16).effective["memory_mib"] == 32


def test_force_cold_meets_a_new_sandbox(local: Local) -> None:
    deployment = local.deploy(ECHO)
    _, before = local.call(deployment)

    local.platform.force_cold(deployment)
    _, after = local.call(deployment)

    assert after["sebsx"]["sandbox"] != before["sebsx"]["sandbox"]


def test_teardown_twice_is_harmless_and_ends_sandboxes(local: Local) -> None:
    deployment = local.deploy(PID)
    pid = local.call(deployment)[1]["output"]

    local.platform.teardown(deployment)
    local.platform.teardown(deployment)

    assert not runs(pid)


@pytest.mark.slow
def test_function_that_writes_into_its_folder_does_not_poison_the_next(tmp_path: Path) -> None:
    code = """
        import data, os
        def handler(event, context):
            with open(os.path.join(os.path.dirname(__file__), "data.py"), "r+") as file:
                file.write("A = 2")
            return data.A
        """
    for run in range(2):
        for local in open_local(tmp_path, port=0):
            wrapper = local.platform.wrapper_files("python")["sebsx_wrapper.py"]
            architecture = local.platform.architectures[0]
            package = zip_package(
                tmp_path / "p.zip", architecture, code, sebsx_wrapper__py=wrapper, data__py=b"A = 1\n"
            )
            package = dataclasses.replace(package, target=local.platform.target("python", architecture))
            for deployed in range(2):
                config = FunctionConfig(f"f{run}{deployed}", memory_mib=256, timeout_s=30.0, architecture=architecture)
                assert local.call(local.platform.deploy(package, config))[1]["output"] == 1


@pytest.mark.slow
def test_function_that_raises_is_a_function_error(local: Local) -> None:
    reply, body = local.call(local.deploy("def handler(event, context):\n    return {}[event]\n"), "key")

    assert local.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert body["error"]["type"] == "KeyError"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "error_type", "message"),
    [
        ("download('in/gone')", "LookupError", "storage holds no object 'in/gone'"),
        ("download_file('in/gone', '/tmp/x')", "LookupError", "storage holds no object 'in/gone'"),
        ("upload('../out', b'')", "ValueError", "storage key '../out' cannot be used"),
    ],
)
def test_missing_object_and_refused_key_are_told_in_one_line(
    local: Local, call: str, error_type: str, message: str
) -> None:
    _, body = local.call(local.deploy(f"def handler(event, context):\n    return context.storage.{call}\n"), {})

    assert (body["error"]["type"], body["error"]["message"]) == (error_type, message)


def test_reply_without_an_answer_is_read_as_any_platform_does(local: Local) -> None:
    reply, _ = local.call(local.deploy(ECHO))

    assert local.platform.status_of(dataclasses.replace(reply, headers={}, http_status=None, error="timeout")) is (
        Status.TIMEOUT
    )


@pytest.mark.slow
def test_cold_starts_do_not_compile_the_package(local: Local) -> None:
    deployment = local.deploy("def handler(event, context):\n    return __cached__\n")

    compiled = local.call(deployment)[1]["output"]

    assert re.search(r"prepared/[0-9a-f]{32}-[0-9a-f]{12}\.0/__pycache__/function\..*\.pyc$", compiled)
    assert (local.platform.workdir / compiled).stat().st_size > 0


@pytest.mark.slow
def test_priced_machine_has_a_cost(tmp_path: Path) -> None:
    for local in open_local(tmp_path, price_per_gb_s_usd=2.0, price_per_request_usd=0.5):
        deployment = local.deploy(ECHO, memory_mib=512)
        reply, _ = local.call(deployment)
        record = local.platform.records(deployment, [reply.request_id])[reply.request_id]

        # Half a GiB for the billed time at 2 USD per GiB-second, and half a dollar for the call.
        assert record.billed_s is not None
        cost_usd = local.platform.context.prices.cost_usd(local.platform, deployment, record)
        assert cost_usd == pytest.approx(record.billed_s * 0.5 * 2 + 0.5)


@pytest.mark.slow
def test_storage_and_table_are_shared_between_driver_and_sandboxes(local: Local) -> None:
    storage = local.platform.storage()
    storage.put("in/a", b"12345")
    deployment = local.deploy("""
        def handler(event, context):
            data = context.storage.download("in/a")
            context.storage.upload("out/b", data + data)
            path = "copy"
            import os
            path = os.environ["TMPDIR"] + "/copy"
            context.storage.download_file("in/a", path)
            context.storage.upload_file("out/c", path)
            table = context.table
            table.put("p", "2", {"n": 2}); table.put("p", "1", {"n": 1}); table.put("p", "1", {"n": 3})
            table.put("q", "1", {}); table.delete("q", "1"); table.delete("q", "1")
            return [table.query("p"), table.get("p", "1"), table.get("q", "1")]
    """)

    _, body = local.call(deployment)

    assert body["output"] == [[{"n": 3}, {"n": 2}], {"n": 3}, None]
    assert (storage.get("out/b"), storage.get("out/c")) == (b"1234512345", b"12345")
    assert body["sebsx"]["samples"]["function.downloaded_bytes"] == 10
    assert body["sebsx"]["samples"]["function.uploaded_bytes"] == 15


@pytest.mark.slow
def test_table_is_safe_under_concurrent_sandboxes(local: Local) -> None:
    deployment = local.deploy("""
        def handler(event, context):
            for number in range(50):
                context.table.put("shared", "%d-%d" % (event, number), {"n": number})
    """)
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda number: local.call(deployment, number)[0], range(4)))
    count = local.deploy("def handler(event, context):\n    return len(context.table.query('shared'))\n")

    assert {reply.http_status for reply in replies} == {200}
    assert local.call(count)[1]["output"] == 200


@pytest.mark.parametrize("key", ["../secret", "a/../../b", "/etc/passwd", "", "a//b"])
def test_function_cannot_leave_its_storage(local: Local, key: str) -> None:
    deployment = local.deploy("def handler(event, context):\n    context.storage.upload(event, b'')\n")

    _, body = local.call(deployment, key)

    assert body["error"]["type"] == "ValueError"
    assert "cannot be used" in body["error"]["message"]


@pytest.mark.slow
def test_everything_created_is_in_the_ledger_first_and_deleted_after(tmp_path: Path) -> None:
    class Book:
        def __init__(self) -> None:
            self.lines: list[tuple[str, str]] = []

        @contextmanager
        def creating(self, kind: str, name: str, region: str = "local") -> Iterator[Creation]:
            self.lines.append(("planned", kind))
            creation = Creation()
            yield creation
            assert creation.provider_id
            self.lines.append(("created", kind))

        def deleted(self, kind: str, name: str) -> None:
            self.lines.append(("deleted", kind))

    book = Book()
    with LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path / "work", ledger=book)) as platform:
        platform.teardown(Local(platform, tmp_path).deploy(ECHO))

    assert book.lines == [
        ("planned", "gateway"), ("created", "gateway"), ("planned", "function"), ("created", "function"),
        ("deleted", "function"), ("deleted", "gateway"),
    ]  # fmt: skip


@pytest.mark.slow
def test_nothing_is_left_in_the_working_directory(tmp_path: Path) -> None:
    for local in open_local(tmp_path):
        deployment = local.deploy(PID)
        pid = local.call(deployment)[1]["output"]
        local.platform.storage().put("a", b"b")

    assert not (tmp_path / "work").exists()
    eventually(lambda: not runs(pid))


def test_broken_package_says_so(local: Local, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    architecture = local.platform.architectures[0]
    target = local.platform.target("python", architecture)
    package = Package(
        path=tmp_path / "broken.zip",
        sha256="0" * 64,
        bytes=6,
        unpacked_bytes=6,
        content_hash="0",
        target=target,
        benchmark="b",
        benchmark_version="1",
        build_s=0.0,
        cached=False,
    )

    with pytest.raises(DeployError, match=r"broken\.zip' cannot be unpacked"):
        local.platform.deploy(
            package, FunctionConfig("broken", memory_mib=128, timeout_s=1.0, architecture=architecture)
        )


def test_package_for_another_version_is_unsupported(local: Local, tmp_path: Path) -> None:
    architecture = local.platform.architectures[0]
    package = zip_package(tmp_path / "p.zip", architecture, ECHO)
    package = dataclasses.replace(package, target=Target("python", "3.0", architecture=architecture))

    with pytest.raises(UnsupportedError, match=r"python 3\.0 cannot run on 3\."):
        local.platform.deploy(package, FunctionConfig("old", memory_mib=128, timeout_s=1.0, architecture=architecture))


def test_name_that_is_no_part_of_a_url_is_refused(local: Local, tmp_path: Path) -> None:
    architecture = local.platform.architectures[0]
    package = zip_package(tmp_path / "p.zip", architecture, ECHO)

    with pytest.raises(DeployError, match="letters, digits"):
        local.platform.deploy(package, FunctionConfig("a/b", memory_mib=128, timeout_s=1.0, architecture=architecture))


def test_platform_that_is_not_open_says_so(tmp_path: Path) -> None:
    platform = LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path / "work"))

    with pytest.raises(PlatformError, match="not open"):
        platform.records(None, [])  # type: ignore[arg-type]


def test_it_claims_the_capabilities_it_has() -> None:
    before_a_run = {Capability.ADOPT, Capability.CHANGE}  # nothing lives here
    assert LocalPlatform.capabilities == set(CORE_CAPABILITIES) - before_a_run


@pytest.mark.slow
def test_settings_reach_the_gateway(tmp_path: Path) -> None:
    run = open_local(tmp_path, keep_alive_s=0.3)
    local = next(run)
    deployment = local.deploy(ECHO)

    _, first = local.call(deployment)
    eventually(lambda: not local.platform.gateway.state()[deployment.config.name])
    _, second = local.call(deployment)

    assert first["sebsx"]["sandbox"] != second["sebsx"]["sandbox"]
    run.close()
