"""One emulated server for all tests of the platform `openwhisk`, empty at the beginning of each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.model import Scalar
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx_openwhisk.backend import OpenWhiskPlatform
from sebsx_openwhisk.settings import OpenWhiskSettings
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.stores import stores
from tests.support import Cli


@pytest.fixture(scope="session")
def one_whisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedOpenWhisk]:
    """The server of the session."""
    with EmulatedOpenWhisk(tmp_path_factory.mktemp("openwhisk")) as server:
        yield server


@pytest.fixture
def whisk(one_whisk: EmulatedOpenWhisk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatedOpenWhisk]:
    """The server, empty; what is sent and answered keeps to the official contract."""
    one_whisk.reset()
    monkeypatch.setenv("WSK_CONFIG_FILE", str(tmp_path / "no-properties"))
    yield one_whisk
    violations, one_whisk.violations = one_whisk.violations, []
    assert violations == []


@pytest.fixture(scope="session")
def of_the_user() -> Iterator[dict[str, Any]]:
    """Settings of a storage and a table."""
    with stores() as settings:
        yield settings


@pytest.fixture
def cloud(sebsx: Cli, whisk: EmulatedOpenWhisk) -> Cli:
    """The command line with the key of the server."""
    sebsx.environment |= whisk.environment
    return sebsx


def made(
    folder: Path,
    whisk: EmulatedOpenWhisk,
    *,
    ledger: MemoryLedger | None = None,
    options: Mapping[str, Scalar] | None = None,
    **settings: Any,
) -> OpenWhiskPlatform:
    """Return a platform of a run that was resumed, not opened; `options` are what functions get by default."""
    cls = OpenWhiskPlatform
    if options:
        offered = tuple(replace(item, default=options.get(item.name, item.default)) for item in cls.options)
        cls = type(cls.__name__, (cls,), {"options": offered})
    context = context_for(
        cls, folder / f"{RUN}.4711" / cls.name, ledger=ledger or MemoryLedger(), attempt=secrets.token_hex(3)
    )
    return cls(OpenWhiskSettings(**{"api_host": whisk.url, "auth": whisk.key, **settings}), context)
