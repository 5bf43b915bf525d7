"""What an image for Lambda is built from, and a machine that cannot build one."""

from __future__ import annotations

import gc
import tarfile
from pathlib import Path

import pytest

from sebsx.errors import DeployError
from sebsx.model import FunctionConfig
from sebsx.testing.fakes import MemoryLedger
from sebsx_aws.images import _context
from tests.emulated_aws import EmulatedAccount
from tests.packages import zip_package
from tests.platforms.aws.conftest import made

BASE = "public.ecr.aws/lambda/python:3.12"


def test_context_holds_the_package_below_the_task_root(tmp_path: Path) -> None:
    package = zip_package(tmp_path / "p.zip", "arm64", "def handler(event, context): return 1", more__py=b"x = 1")
    with (
        _context(package, BASE, "sebsx_wrapper_lambda.handler") as file,
        tarfile.open(fileobj=file) as archive,
    ):
        names = set(archive.getnames())
        recipe = archive.extractfile("Dockerfile")
        more = archive.extractfile("code/more.py")
        assert recipe is not None
        assert more is not None
        assert recipe.read().decode().splitlines() == [
            f"FROM {BASE}", "COPY code/ /var/task/", 'CMD ["sebsx_wrapper_lambda.handler"]',
        ]  # fmt: skip
        assert more.read() == b"x = 1"
        assert all(member.mode & 0o444 == 0o444 for member in archive)  # Lambda runs it as another user
    assert {"code/function.py", "code/sebsx.json", "code/sebsx_runtime/shim.py"} <= names


# The SDK leaves the socket of a connection that failed to the collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_machine_without_an_engine_is_told_what_to_do(
    account: EmulatedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    package = zip_package(tmp_path / "p.zip", "x86_64", "def handler(event, context): return 1")
    ledger = MemoryLedger()
    platform = made(tmp_path, ledger=ledger)
    with platform, pytest.raises(DeployError, match=r"images need a Docker engine, and none answers.*package=zip"):
        platform.deploy(
            package,
            FunctionConfig(
                "sebsx-image", memory_mib=256, timeout_s=10.0, architecture="x86_64", options={"package": "image"}
            ),
        )
    assert account.remaining() == {}
    assert ledger.open == {}
    gc.collect()
