"""The pytest plugin of sebsx, found by its entry point. Importing it costs nothing; fixtures import when used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.building import Packager
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.platforms import Platform
    from sebsx.model import Package
    from sebsx.plugins import Registry
    from sebsx.testing.fakes import FakePlatform

pytest.register_assert_rewrite("sebsx.testing.contracts")


@pytest.fixture(scope="session")
def sebsx_registry() -> Registry:
    """Every plugin installed here."""
    from sebsx import plugins

    return plugins.load()


@pytest.fixture(scope="session")
def sebsx_packager(tmp_path_factory: pytest.TempPathFactory) -> Packager:
    """A packager whose cache lasts as long as the test session; the processes of pytest-xdist share it."""
    from sebsx.building import Packager

    base = tmp_path_factory.getbasetemp()
    return Packager((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sebsx-packages")


@pytest.fixture(scope="session")
def echo_benchmark() -> Benchmark:
    """A benchmark that echoes, raises, sleeps, or uses storage or table, as the event asks."""
    from sebsx.contracts import benchmarks
    from sebsx.testing import echo_folder

    return benchmarks.load(echo_folder())


@pytest.fixture
def echo_language() -> str:
    """Language of `echo_package`: python, unless a test class overrides it with nodejs."""
    return "python"


@pytest.fixture
def echo_package(
    platform: Platform[Any],
    echo_benchmark: Benchmark,
    echo_language: str,
    sebsx_registry: Registry,
    sebsx_packager: Packager,
) -> Package:
    """The echo benchmark packaged for the fixture `platform`, with its wrapper."""
    language = sebsx_registry.get("languages", echo_language)()
    return sebsx_packager.build(
        echo_benchmark,
        language,
        platform.target(language.name, platform.architectures[0]),
        platform=platform,
    )


@pytest.fixture
def fake_platform(tmp_path: Path) -> FakePlatform:
    """A platform in memory whose faults the test chooses."""
    from sebsx.testing.contexts import context_for
    from sebsx.testing.fakes import FakePlatform, FakeSettings

    return FakePlatform(FakeSettings(), context_for(FakePlatform, tmp_path))
