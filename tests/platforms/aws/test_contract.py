"""The published contract, held against the emulated account on either architecture and by every trigger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.model import Deployment, Status
from sebsx.testing.contracts import PlatformContract, StorageContract
from sebsx.testing.contracts.trying import records_of
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_aws.backend import AwsArmPlatform, AwsPlatform
from tests.emulated_aws import EmulatedAccount
from tests.platforms.aws.conftest import made


@pytest.mark.slow
class TestAws(PlatformContract):
    @pytest.fixture
    def platform(self, account: EmulatedAccount, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, ledger=ledger)

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, account: EmulatedAccount, request: pytest.FixtureRequest) -> Any:
        yield
        if "live" not in request.fixturenames:  # which is closed after this
            assert account.remaining() == {}


class TestAwsArm(TestAws):
    @pytest.fixture
    def platform(self, account: EmulatedAccount, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, AwsArmPlatform, ledger=ledger)


class TestByUrl(TestAws):
    @pytest.fixture
    def platform(self, account: EmulatedAccount, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, ledger=ledger, options={"trigger": "url"})

    def test_timeout_ends_the_invocation(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        """A function URL says 502 whatever happened; what it was, the log tells."""
        deployment = deploy(timeout_s=1.0)
        late = invoke(live, deployment, {"do": "sleep", "value": 3.0})
        assert (late.status, late.reply.http_status) == (Status.FUNCTION_ERROR, 502)
        request_id = live.request_id_of(late.reply)
        assert records_of(live, deployment, [request_id])[request_id].status is Status.TIMEOUT
        assert invoke(live, deployment, {"value": 1}).status is Status.OK


class TestAsynchronous(TestAws):
    @pytest.fixture
    def platform(self, account: EmulatedAccount, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, ledger=ledger, options={"trigger": "async"})


class TestOnAVersion(TestAws):
    @pytest.fixture
    def platform(self, account: EmulatedAccount, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return made(tmp_path, ledger=ledger, options={"snapstart": True}, log_format="json", upload="s3")


@pytest.mark.slow
class TestStorage(StorageContract):
    @pytest.fixture
    def storage(self, account: EmulatedAccount, tmp_path: Path) -> Any:
        with made(tmp_path, AwsPlatform) as platform:
            yield platform.storage()
