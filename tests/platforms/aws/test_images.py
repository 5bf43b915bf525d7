"""A machine that cannot build an image for Lambda."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from sebsx.errors import DeployError
from sebsx.model import FunctionConfig
from sebsx.testing.fakes import MemoryLedger
from tests.emulated_aws import EmulatedAccount
from tests.packages import zip_package
from tests.platforms.aws.conftest import made


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
