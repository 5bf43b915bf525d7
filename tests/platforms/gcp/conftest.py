"""One emulated project for all tests of the platform `gcp`, empty at the beginning of each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sebsx.model import Scalar
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx_gcp.backend import GcpPlatform
from sebsx_gcp.settings import GcpSettings
from tests.emulated_gcp import EmulatedProject
from tests.support import Cli


@pytest.fixture(scope="session")
def one_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedProject]:
    """The project of the session."""
    with EmulatedProject(tmp_path_factory.mktemp("project")) as opened:
        yield opened


@pytest.fixture
def project(one_project: EmulatedProject) -> Iterator[EmulatedProject]:
    """The project, empty; every request of the test and every answer must be as Google's documents say."""
    one_project.reset()
    yield one_project
    assert one_project.violations == []


@pytest.fixture
def cloud(sebsx: Cli, project: EmulatedProject) -> Cli:
    """The command line with settings that lead to the project, which comes empty."""
    sebsx.environment |= project.environment
    return sebsx


def made(
    folder: Path,
    emulated: EmulatedProject,
    *,
    ledger: MemoryLedger | None = None,
    options: Mapping[str, Scalar] | None = None,
    **settings: object,
) -> GcpPlatform:
    """Return a platform of a run that was resumed, not opened; `options` are what functions get by default."""
    cls = GcpPlatform
    if options:
        offered = tuple(replace(item, default=options.get(item.name, item.default)) for item in cls.options)
        cls = type(cls.__name__, (cls,), {"options": offered})
    context = context_for(
        cls, folder / f"{RUN}.4711" / cls.name, ledger=ledger or MemoryLedger(), attempt=secrets.token_hex(3)
    )
    return cls(GcpSettings(**{**emulated.settings, "python": "3.11", **settings}), context)  # type: ignore[arg-type]
