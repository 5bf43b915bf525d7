"""The published contract, held against the emulated server by either trigger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.testing.contracts import PlatformContract, StorageContract
from sebsx.testing.fakes import MemoryLedger
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.platforms.openwhisk.conftest import made


@pytest.mark.slow
class TestBlocking(PlatformContract):
    @pytest.fixture
    def platform(
        self, whisk: EmulatedOpenWhisk, of_the_user: dict[str, Any], tmp_path: Path, ledger: MemoryLedger
    ) -> Platform[Any]:
        return made(tmp_path, whisk, ledger=ledger, **of_the_user)

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, whisk: EmulatedOpenWhisk, request: pytest.FixtureRequest) -> Any:
        yield
        if "live" not in request.fixturenames:  # which is closed after this
            assert whisk.actions == {}


class TestAsynchronous(TestBlocking):
    @pytest.fixture
    def platform(
        self, whisk: EmulatedOpenWhisk, of_the_user: dict[str, Any], tmp_path: Path, ledger: MemoryLedger
    ) -> Platform[Any]:
        return made(tmp_path, whisk, ledger=ledger, options={"trigger": "async"}, poll_s=0.02, **of_the_user)


@pytest.mark.slow
class TestStorage(StorageContract):
    @pytest.fixture
    def storage(self, whisk: EmulatedOpenWhisk, of_the_user: dict[str, Any], tmp_path: Path) -> Any:
        with made(tmp_path, whisk, **of_the_user) as platform:
            yield platform.storage()
