"""The engine of this machine, an open platform on it, and what on it is ours."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.clouds.tags import RUN_TAG
from sebsx.model import Severity
from sebsx.testing.contexts import context_for
from sebsx_docker import engine
from sebsx_docker.backend import DockerArmPlatform, DockerPlatform
from sebsx_docker.settings import DockerSettings
from tests.platforms.local.conftest import Local


def need(cls: type[DockerPlatform], folder: Path) -> None:
    """Skip where a platform cannot run; in CI that is an error."""
    problems = cls(DockerSettings(), context_for(cls, folder)).check()
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors and os.environ.get("CI") == "true" and not os.environ.get("SEBSX_WITHOUT_DOCKER"):
        pytest.fail(f"{cls.name}: {errors[0].message}; {errors[0].advice}")
    if errors:
        pytest.skip(f"{cls.name}: {errors[0].message}")


@pytest.fixture(scope="session")
def needs_engine(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hold that there is an engine."""
    need(DockerPlatform, tmp_path_factory.mktemp("check"))


@pytest.fixture(scope="session")
def needs_qemu(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hold that there is an engine, and qemu behind it."""
    need(DockerArmPlatform, tmp_path_factory.mktemp("check"))


@pytest.fixture
def client(needs_engine: None) -> Iterator[Any]:
    """The engine itself."""
    found = engine.connect()
    yield found
    found.close()


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests that leave something from those that clean it away, in whatever process."""
    with (tmp_path_factory.getbasetemp().parent / "sebsx-docker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def opened(needs_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A platform for all tests of a module."""
    yield from open_docker(tmp_path_factory.mktemp("docker"))


def open_docker(folder: Path, cls: type[DockerPlatform] = DockerPlatform, **settings: Any) -> Iterator[Local]:
    run = uuid.uuid4().hex[:26].upper()
    with cls(DockerSettings(**settings), context_for(cls, folder / run / cls.name, run_id=run)) as platform:
        yield Local(platform, folder)


def of_run(client: Any, run: str) -> list[str]:
    """Return the names of the containers and networks that carry a run's label."""
    chosen = {"label": f"{RUN_TAG}={run}"}
    containers = [item["Names"][0].lstrip("/") for item in client.containers(all=True, filters=chosen)]
    return containers + [item["Name"] for item in client.networks(filters=chosen)]
