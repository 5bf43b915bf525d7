"""The published contract, held against the emulated project, in Google's functions framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.testing.contracts import PlatformContract, StorageContract
from sebsx.testing.fakes import MemoryLedger
from tests.emulated_gcp import EmulatedProject
from tests.platforms.gcp.conftest import made


@pytest.mark.slow
class TestGcp(PlatformContract):
    @pytest.fixture
    def platform(self, project: EmulatedProject, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, project, ledger=ledger)

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, project: EmulatedProject, request: pytest.FixtureRequest) -> Any:
        yield
        if "live" not in request.fixturenames:  # which is closed after this
            assert project.remaining() == {}


@pytest.mark.slow
class TestStorage(StorageContract):
    @pytest.fixture
    def storage(self, project: EmulatedProject, tmp_path: Path) -> Any:
        with made(tmp_path, project) as platform:
            yield platform.storage()
