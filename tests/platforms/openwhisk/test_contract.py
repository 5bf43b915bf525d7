"""The published contract, held against the emulated server by either trigger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.testing.contracts import PlatformContract
from sebsx.testing.contracts.platform_calls import PlatformCalls
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


@pytest.mark.slow
class TestAsynchronous(PlatformCalls):
    """Calls alone: the rest is the same by either trigger."""

    ledger = PlatformContract.ledger
    live = PlatformContract.live
    deploy = PlatformContract.deploy

    @pytest.fixture
    def platform(self, whisk: EmulatedOpenWhisk, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, whisk, ledger=ledger, options={"trigger": "async"}, poll_s=0.02)
