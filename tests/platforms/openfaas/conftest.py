"""One emulated gateway for all tests of the platform `openfaas`, empty at the beginning of each.

Images are built and pushed by a real engine in the tests that are marked `docker`; in the others they are unpacked
into a folder, from which the gateway "pulls" them.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.model import Scalar
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx_openfaas.backend import OpenFaasPlatform
from sebsx_openfaas.settings import OpenFaasSettings
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.platforms.openfaas.images import unpack_images
from tests.stores import stores
from tests.support import Cli


@pytest.fixture(scope="session")
def one_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedOpenFaas]:
    """The gateway of the session."""
    with EmulatedOpenFaas(tmp_path_factory.mktemp("openfaas")) as gateway:
        yield gateway


@pytest.fixture
def gateway(
    one_gateway: EmulatedOpenFaas, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[EmulatedOpenFaas]:
    """The gateway, empty; it can pull what is "pushed". What is sent and answered keeps to the official contract."""
    one_gateway.reset()
    unpack_images(one_gateway, tmp_path, monkeypatch)
    yield one_gateway
    violations, one_gateway.violations = one_gateway.violations, []
    assert violations == []


@pytest.fixture(scope="session")
def of_the_user() -> Iterator[dict[str, Any]]:
    """Settings of a storage and a table."""
    with stores() as settings:
        yield settings


@pytest.fixture
def cloud(sebsx: Cli, gateway: EmulatedOpenFaas) -> Cli:
    """The command line with the password of the gateway."""
    sebsx.environment |= gateway.environment
    return sebsx


def made(
    folder: Path,
    server: EmulatedOpenFaas,
    *,
    ledger: MemoryLedger | None = None,
    options: Mapping[str, Scalar] | None = None,
    **settings: Any,
) -> OpenFaasPlatform:
    """Return a platform of a run that was resumed, not opened; `options` are what functions get by default."""
    cls = OpenFaasPlatform
    if options:
        offered = tuple(replace(item, default=options.get(item.name, item.default)) for item in cls.options)
        cls = type(cls.__name__, (cls,), {"options": offered})
    context = context_for(
        cls, folder / f"{RUN}.4711" / cls.name, ledger=ledger or MemoryLedger(), attempt=secrets.token_hex(3)
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    given = {"gateway": server.url, "password": server.password, "python": version, "ready_s": 20.0, **settings}
    return cls(OpenFaasSettings(**given), context)
