"""One emulated gateway for all tests of the platform `openfaas`, empty at the beginning of each.

Images are built and pushed by a real engine in the tests that are marked `docker`; in the others they are unpacked
into a folder, from which the gateway "pulls" them.
"""

from __future__ import annotations

import hashlib
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.clouds.registries import PushedImages
from sebsx.model import Package, Scalar
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.handlers import unpack
from sebsx_openfaas.backend import OpenFaasPlatform
from sebsx_openfaas.functions import FOLDER
from sebsx_openfaas.settings import OpenFaasSettings
from tests.emulated_openfaas import EmulatedOpenFaas
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

    def of(
        self: PushedImages, package: Package, recipe: Sequence[str] = (), more: Mapping[str, bytes] | None = None
    ) -> tuple[str, str]:
        digest = hashlib.sha256(package.content_hash.encode()).hexdigest()
        name = f"registry.example/sebsx:{digest[:12]}"
        if name not in one_gateway.images:
            root = unpack(package, tmp_path / "images" / digest[:12])
            one_gateway.images[name] = (root, variables_of(recipe, root))
        return name, f"sha256:{digest}"

    monkeypatch.setattr(PushedImages, "of", of)
    yield one_gateway
    violations, one_gateway.violations = one_gateway.violations, []
    one_gateway.images.clear()
    assert violations == []


def variables_of(recipe: Sequence[str], root: Path) -> dict[str, str]:
    """Return the variables of an image by its recipe, with the folder and the interpreter of this machine."""
    words = [word for line in recipe if line.startswith("ENV ") for word in shlex.split(line)[1:]]
    found = dict(word.split("=", 1) for word in words)
    process = found["fprocess"].replace(FOLDER, str(root)).replace("python3 ", f"{shlex.quote(sys.executable)} ")
    return {**found, "fprocess": process}


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
