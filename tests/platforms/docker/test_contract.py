from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.contracts import PlatformContract
from sebsx.testing.fakes import MemoryLedger
from sebsx_docker.backend import DockerArmPlatform, DockerPlatform
from sebsx_docker.settings import DockerSettings

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


def opened(cls: type[DockerPlatform], folder: Path) -> Iterator[Platform[Any]]:
    """Open one platform for all tests: what the contract asks of each test is new deployments."""
    ledger = MemoryLedger()
    context = context_for(cls, folder / f"{RUN}.4711" / cls.name, ledger=ledger, attempt=secrets.token_hex(3))
    with cls(DockerSettings(), context) as platform:
        yield platform
    assert ledger.open == {}


@pytest.fixture(scope="module")
def docker(needs_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform[Any]]:
    yield from opened(DockerPlatform, tmp_path_factory.mktemp("docker"))


@pytest.fixture(scope="module")
def docker_arm(needs_qemu: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform[Any]]:
    yield from opened(DockerArmPlatform, tmp_path_factory.mktemp("docker-arm"))


@pytest.mark.usefixtures("needs_engine")
class TestDocker(PlatformContract):
    @pytest.fixture
    def platform(self, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path / "run" / "docker", ledger=ledger))

    @pytest.fixture
    def live(self, docker: Platform[Any]) -> Platform[Any]:
        return docker


@pytest.mark.slow
@pytest.mark.network  # the base image is made of Debian's packages
@pytest.mark.usefixtures("needs_qemu")
class TestDockerArm(PlatformContract):
    @pytest.fixture
    def platform(self, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return DockerArmPlatform(
            DockerSettings(), context_for(DockerArmPlatform, tmp_path / "run" / "docker-arm", ledger=ledger)
        )

    @pytest.fixture
    def live(self, docker_arm: Platform[Any]) -> Platform[Any]:
        return docker_arm
