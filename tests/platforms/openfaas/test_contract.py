"""The published contract, held against the emulated gateway by either trigger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.testing.contracts import PlatformContract
from sebsx.testing.contracts.platform_calls import PlatformCalls
from sebsx.testing.fakes import MemoryLedger
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.platforms.openfaas.conftest import made


@pytest.mark.slow
class TestOpenFaas(PlatformContract):
    @pytest.fixture
    def platform(
        self, gateway: EmulatedOpenFaas, of_the_user: dict[str, Any], tmp_path: Path, ledger: MemoryLedger
    ) -> Platform[Any]:
        return made(tmp_path, gateway, ledger=ledger, **of_the_user)

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, gateway: EmulatedOpenFaas, request: pytest.FixtureRequest) -> Any:
        yield
        if "live" not in request.fixturenames:  # which is closed after this
            assert gateway.functions == {}
            assert gateway.secrets == {}


@pytest.mark.slow
class TestAsynchronous(PlatformCalls):
    """Calls alone: the rest is the same by either trigger."""

    ledger = PlatformContract.ledger
    live = PlatformContract.live
    deploy = PlatformContract.deploy

    @pytest.fixture
    def platform(self, gateway: EmulatedOpenFaas, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, gateway, ledger=ledger, options={"trigger": "async"}, callback_url="http://127.0.0.1:0")
