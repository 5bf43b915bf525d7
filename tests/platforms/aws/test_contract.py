"""The published contract, held against the emulated account on either architecture and by every trigger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.errors import UnsupportedError
from sebsx.model import Deployment, Package, Status
from sebsx.testing.contracts import PlatformContract, StorageContract, trying
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


@pytest.mark.slow
class TestNodejs:
    """What AWS's client for Node.js and the wrapper for it decide; the rest is the same in every language."""

    ledger, live, deploy = PlatformContract.ledger, PlatformContract.live, PlatformContract.deploy
    platform, nothing_is_left = TestAws.platform, TestAws.nothing_is_left
    test_error = PlatformContract.test_error_of_the_function_is_a_result
    test_timeout = PlatformContract.test_timeout_ends_the_invocation
    test_phases = PlatformContract.test_phases_are_samples
    test_storage = PlatformContract.test_storage_is_shared_by_driver_and_function
    test_table = PlatformContract.test_table_keeps_items_by_partition_in_order

    @pytest.fixture
    def echo_language(self) -> str:
        return "nodejs"

    def test_start_is_told_and_forced(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy()
        assert deployment.effective["runtime"] == "nodejs22.x"
        first, second = (invoke(live, deployment, {"value": 1}) for _ in range(2))
        live.force_cold(deployment)
        told = [(answer.envelope or {})["sebsx"] for answer in (first, second, invoke(live, deployment, {}))]
        assert [item["call"] for item in told] == [1, 2, 1]
        assert [item.get("initialization") for item in told] == ["on-demand", None, "on-demand"]
        assert 0 <= told[0]["init_gap_s"] < 10
        record = live.record_of(deployment, first.reply)
        assert record is not None
        assert (record.init_s or 0) > 0

    def test_url_hands_over_its_body(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy(options={"trigger": "url"})
        assert invoke(live, deployment, {"value": "ü"}).output == {"result": "ü"}

    def test_snapshots_are_refused(self, live: Platform[Any], echo_package: Package, account: EmulatedAccount) -> None:
        with pytest.raises(UnsupportedError, match="Lambda has no SnapStart for 'nodejs'"):
            live.deploy(echo_package, trying.config(live, options={"snapstart": True}))
        assert account.remaining() == {}


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
