"""The published contract, held against the emulated subscription, in Microsoft's worker library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.testing.contracts import PlatformContract, StorageContract
from sebsx.testing.fakes import MemoryLedger
from tests.emulated_azure import EmulatedSubscription
from tests.platforms.azure.conftest import made


@pytest.mark.slow
class TestAzure(PlatformContract):
    @pytest.fixture
    def platform(self, subscription: EmulatedSubscription, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, subscription, ledger=ledger)

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, subscription: EmulatedSubscription, request: pytest.FixtureRequest) -> Any:
        yield
        if "live" not in request.fixturenames:  # which is closed after this
            assert subscription.remaining() == {}


@pytest.mark.slow
class TestStorage(StorageContract):
    @pytest.fixture
    def storage(self, subscription: EmulatedSubscription, tmp_path: Path) -> Any:
        with made(tmp_path, subscription) as platform:
            yield platform.storage()
