"""AWS's own emulator and the emulated account answer the same to the same package, so that neither is alone."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.contracts.benchmarks import Benchmark
from sebsx.model import FunctionConfig, Package, Status
from sebsx.plugins import Registry
from sebsx.testing.handlers import unpack
from sebsx.testing.invoking import invoke
from sebsx_aws.backend import AwsArmPlatform, AwsPlatform
from tests import test_arm64
from tests.emulated_aws import EmulatedAccount
from tests.platforms.aws.conftest import made

arm_root = test_arm64.root  # the fixture
pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(400)]
HANDLER = "sebsx_wrapper_lambda.handler"
EVENTS = [
    {"do": "echo", "value": {"ü": [1.5, None, "\u2028"]}},
    {"do": "raise", "value": "by intent"},
    {"do": "echo", "value": "x" * 5_000_000},
    {"do": "sleep", "value": 5.0},
    {"do": "echo", "value": "after the time-out"},
]
TIMED_OUT = "Task timed out after 2.00 seconds"
WITHIN_S = 60.0


@pytest.fixture(scope="session")
def sam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The emulators in the wheel of AWS's SAM CLI; nothing else of it is kept."""
    folder = tmp_path_factory.mktemp("sam")
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--target", str(folder / "wheel")]
    subprocess.run([*command, "aws-sam-cli"], check=True, timeout=180)
    for name in ("aws-lambda-rie-x86_64", "aws-lambda-rie-arm64"):
        shutil.copy(folder / "wheel" / "samcli" / "local" / "rapid" / name, folder / name)
        (folder / name).chmod(0o755)
    shutil.rmtree(folder / "wheel")
    return folder


@pytest.fixture
def packaged(
    echo_benchmark: Benchmark, sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path
) -> Callable[[type[AwsPlatform]], Package]:
    """Return a packager of the echo function for either platform."""

    def build(cls: type[AwsPlatform]) -> Package:
        platform = made(tmp_path, cls)
        language = sebsx_registry.get("languages", "python")()
        target = platform.target("python", cls.architectures[0])
        return sebsx_packager.build(echo_benchmark, language, target, platform=platform)

    return build


def runtime_client(folder: Path, *options: str) -> Path:
    """Install AWS's runtime client into a folder of its own."""
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(folder), *options]
    subprocess.run([*command, "awslambdaric>=4,<5"], check=True, timeout=180)
    return folder


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(port: int, event: Any) -> Any:
    """Return what an emulator answers: JSON, or its own words where the function did not end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
    try:
        connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
        body = connection.getresponse().read()
    finally:
        connection.close()
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + WITHIN_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the emulator has ended"
        assert time.monotonic() < ends, "the emulator does not answer"
        time.sleep(0.05)


@contextmanager
def emulator(command: list[str], environment: dict[str, str], root: Path) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=root, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(int(environment["PORT"]), process)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def of_ours(account: EmulatedAccount, package: Package, tmp_path: Path) -> list[Any]:
    """What the account says of every event: the status, and what of the envelope does not depend on time."""
    with made(tmp_path) as platform:
        config = FunctionConfig("sebsx-second", memory_mib=256, timeout_s=2.0, architecture="x86_64")
        deployment = platform.deploy(package, config)
        answers = [invoke(platform, deployment, event) for event in EVENTS]
        assert [answer.status for answer in answers] == [
            Status.OK, Status.FUNCTION_ERROR, Status.OK, Status.TIMEOUT, Status.OK,
        ]  # fmt: skip
        platform.teardown(deployment)
    return [essence(json.loads(answer.reply.body)) for answer in answers]


def essence(answer: Any) -> Any:
    """Return an answer without times and identities."""
    if TIMED_OUT in (answer if isinstance(answer, str) else str(answer.get("errorMessage"))):
        return TIMED_OUT
    told = answer["sebsx"]
    kept = {key: told[key] for key in ("v", "call")} | {"samples": sorted(told["samples"])}
    error = answer.get("error")
    return {
        "sebsx": kept, "output": answer.get("output"),
        "error": error and (error["type"], error["message"]), "more": sorted(answer),
    }  # fmt: skip


def test_emulator_of_aws_and_ours_answer_the_same(
    account: EmulatedAccount, sam: Path, packaged: Callable[[type[AwsPlatform]], Package], tmp_path: Path
) -> None:
    package = packaged(AwsPlatform)
    root, client = unpack(package, tmp_path / "code"), runtime_client(tmp_path / "client")
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"], "PORT": str(port), "PYTHONPATH": str(client), "LAMBDA_TASK_ROOT": str(root),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "2", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_REGION": "us-east-1",
    }  # fmt: skip
    command = [
        str(sam / "aws-lambda-rie-x86_64"), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
        "--runtime-api-address", f"127.0.0.1:{free_port()}", sys.executable, "-m", "awslambdaric", HANDLER,
    ]  # fmt: skip
    with emulator(command, environment, root):
        theirs = [essence(ask(port, event)) for event in EVENTS]
    assert theirs == of_ours(account, package, tmp_path)


@pytest.mark.root
def test_emulator_of_aws_runs_the_package_for_arm(
    arm_root: Path, sam: Path, packaged: Callable[[type[AwsPlatform]], Package], tmp_path: Path
) -> None:
    """In an aarch64 user space behind qemu: what is shipped to ARM starts there, and answers."""
    unpack(packaged(AwsArmPlatform), arm_root / "code")
    for_arm = ("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.11", "--only-binary", ":all:")
    runtime_client(arm_root / "client", *for_arm)
    shutil.copy(sam / "aws-lambda-rie-arm64", arm_root / "rie")
    port = free_port()
    environment = {
        "PATH": "/usr/bin", "PORT": str(port), "PYTHONPATH": "/code:/client", "LAMBDA_TASK_ROOT": "/code",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60", "AWS_REGION": "us-east-1",
    }  # fmt: skip
    command = [
        shutil.which("chroot") or "chroot", str(arm_root), "/rie", "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{free_port()}",
        "/usr/bin/python3", "-m", "awslambdaric", HANDLER,
    ]  # fmt: skip
    with emulator(command, environment, tmp_path):
        answers = [essence(ask(port, event)) for event in EVENTS[:2]]
    assert answers[0]["output"] == {"result": EVENTS[0]["value"]}
    assert answers[1]["error"] == ("ValueError", "by intent")
