"""What goes wrong in a subscription is told with what to do about it, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError, UnsupportedError, UserError
from sebsx.model import Deployment, Package, Resource, Status
from sebsx.testing.contracts import trying
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_azure import clients
from sebsx_azure.backend import AzurePlatform
from tests.emulated_azure import SUBSCRIPTION, EmulatedSubscription, Fault
from tests.platforms.azure.conftest import made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SITE = r".*/providers/Microsoft\.Web/sites/[^/]+$"
ACCOUNT = r".*/storageAccounts/[^/]+$"
PUBLISH, LATEST = r"/api/publish$", r"/api/deployments/latest$"


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def platform(
    subscription: EmulatedSubscription, tmp_path: Path, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AzurePlatform]:
    monkeypatch.setattr(clients, "RETRIES", {"retry_total": 3, "retry_backoff_factor": 0.02})
    monkeypatch.setattr(clients, "POLLING_S", 0.2)
    with made(tmp_path, subscription, ledger=ledger) as opened:
        yield opened


@pytest.fixture
def clean(subscription: EmulatedSubscription, platform: AzurePlatform, ledger: MemoryLedger) -> Iterator[None]:
    """After the test the ledger leads to everything that is left."""
    yield
    subscription.faults.clear()
    for kind, name in reversed(list(ledger.open)):
        platform.remove(Resource(kind, name, platform="azure", run_id=platform.context.run_id, id=1))
        ledger.deleted(kind, name)
    assert subscription.remaining() == {}


Deploy = Callable[[], Deployment]


@pytest.fixture
def deploy(platform: AzurePlatform, echo_package: Package, clean: None) -> Deploy:
    return lambda: platform.deploy(echo_package, trying.config(platform))


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message", "error", "words"),
    [
        ("PUT", SITE, 429, "TooManyRequests", f"of {SUBSCRIPTION}", QuotaError, "ask Azure"),
        ("PUT", ACCOUNT, 403, "AuthorizationFailed", f"over /subscriptions/{SUBSCRIPTION}", CredentialsError, "role"),
        ("PUT", ACCOUNT, 401, "InvalidAuthenticationToken", "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0 expired",
         CredentialsError, "log in again"),
        ("PUT", SITE, 409, "MissingSubscriptionRegistration", "Microsoft.Web", PlatformError, "az provider register"),
        ("PUT", SITE, 403, "RequestDisallowedByPolicy", "by policy", PlatformError, "administers"),
        ("PUT", SITE, 400, "LocationNotAvailableForResourceType", "no", PlatformError, "--set region="),
        ("POST", PUBLISH, 413, "", "too large", UnsupportedError, "leave out"),
        ("POST", PUBLISH, 403, "", "Forbidden", CredentialsError, "role"),
    ],
)  # fmt: skip
def test_refusal_says_what_to_do_and_leaves_nothing(
    deploy: Deploy, subscription: EmulatedSubscription, method: str, path: str, status: int, code: str, message: str,
    error: type[PlatformError], words: str,
) -> None:  # fmt: skip
    subscription.faults.append(Fault(method, path, status, code, message, times=None))
    with pytest.raises(error, match=words) as told:
        deploy()
    assert SUBSCRIPTION not in str(told.value)
    assert "eyJ" not in str(told.value)


def test_throttled_calls_late_resources_and_cut_uploads_are_repeated(
    deploy: Deploy, platform: AzurePlatform, subscription: EmulatedSubscription
) -> None:
    subscription.manager.settle_s = 0.2
    subscription.faults += [
        Fault("PUT", SITE, 429, "TooManyRequests", headers={"Retry-After": "0"}),
        Fault("GET", SITE, 503, "ServerBusy"), Fault("POST", PUBLISH, 0, times=2), Fault("POST", PUBLISH, 409),
        Fault("GET", LATEST, 404), Fault("POST", r".*/syncfunctiontriggers$", 400, "BadRequest", "ServiceUnavailable"),
        Fault("POST", r".*/functions/handler/listkeys$", 404, "NotFound"),
    ]  # fmt: skip
    deployment = deploy()
    assert all(fault.given == fault.times for fault in subscription.faults), subscription.faults
    assert invoke(platform, deployment, {"value": 1}).status is Status.OK


def test_upload_that_never_gets_through_is_told(
    deploy: Deploy, subscription: EmulatedSubscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sebsx_azure.functions._UPLOAD_WITHIN_S", 0.1)
    subscription.faults.append(Fault("POST", PUBLISH, 0, times=None))
    with pytest.raises(DeployError, match=r"upload of the package to .* did not settle"):
        deploy()


def test_package_that_does_not_run_is_told_in_azures_words(deploy: Deploy, subscription: EmulatedSubscription) -> None:
    subscription.failing = f"Deployment failed in {SUBSCRIPTION}"
    with pytest.raises(DeployError, match=r"upload of the package to .* failed: Deployment failed in \*\*\*"):
        deploy()


def test_keys_that_are_taken_no_more_end_the_run_once_the_call_is_stored(
    deploy: Deploy, platform: AzurePlatform, subscription: EmulatedSubscription
) -> None:
    deployment = deploy()
    for name in subscription.manager.keys:
        subscription.manager.keys[name] = "another"
    refused = invoke(platform, deployment, {"value": 1})
    assert (refused.status, refused.reply.http_status) == (Status.PLATFORM_ERROR, 401)
    with pytest.raises(CredentialsError, match="somebody changed the keys"):
        invoke(platform, deployment, {"value": 1})


def test_no_more_instances_than_allowed(platform: AzurePlatform, echo_package: Package, clean: None) -> None:
    options = {"max_instances": 1, "sandbox_concurrency": 2}
    deployment = platform.deploy(echo_package, trying.config(platform, options=options))
    assert options.items() <= deployment.effective.items()
    assert invoke(platform, deployment, {"value": 1}).status is Status.OK  # no call waits for a start any more
    answers = invoke_together(platform, deployment, {"do": "sleep", "value": 3.0}, 3)
    assert sorted(answer.status for answer in answers) == [Status.OK, Status.OK, Status.THROTTLED]
    told = [answer.envelope["sebsx"] for answer in answers if answer.envelope]
    assert len({one["sandbox"] for one in told}) == 1
    assert max(one.get("concurrent", 0) for one in told) >= 1


def test_late_lost_partial_and_sampled_records(
    deploy: Deploy, platform: AzurePlatform, subscription: EmulatedSubscription, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = deploy()

    def called(count: int) -> list[str]:
        return [platform.request_id_of(invoke(platform, deployment, {"value": 1}).reply) for _ in range(count)]

    subscription.log_delay_s = 1.0
    wanted = called(3)
    assert platform.records(deployment, wanted) == {}
    assert trying.records_of(platform, deployment, wanted).keys() == set(wanted)
    subscription.log_delay_s, subscription.log_share, subscription.sampled = 0.0, 2, 5
    more = called(4)
    assert 0 < len(platform.records(deployment, more)) < 4
    assert "kept one of 5 requests: sampling is on" in caplog.text
    subscription.log_partial = True
    with pytest.raises(PlatformError, match="only a part came"):
        platform.records(deployment, [*more, *called(1)])
    subscription.faults.append(Fault("POST", "/v1/workspaces/.*", 429, "TooManyRequests", times=None))
    with pytest.raises(QuotaError):
        platform.records(deployment, called(1))


def test_logs_are_kept_for_records_that_are_still_to_come(
    subscription: EmulatedSubscription, tmp_path: Path, echo_package: Package, ledger: MemoryLedger
) -> None:
    platform = made(tmp_path, subscription, ledger=ledger)
    with platform:
        deployment = platform.deploy(echo_package, trying.config(platform))
        subscription.log_delay_s = 1.0
        wanted = [platform.request_id_of(invoke(platform, deployment, {"value": 1}).reply)]
        assert platform.records(deployment, wanted) == {}
        platform.teardown(deployment)
    assert subscription.remaining().keys() == {"resourceGroups", "workspaces"}
    assert {kind for kind, _ in ledger.open} == {"resource-group", "workspace"}
    assert trying.records_of(platform, deployment, wanted).keys() == set(wanted)  # as `sebsx records` asks
    for orphan in platform.orphans():
        platform.remove(orphan)
        platform.remove(orphan)
    assert subscription.remaining() == {}


def test_package_over_the_limits_is_unsupported(platform: AzurePlatform, echo_package: Package) -> None:
    large = dataclasses.replace(echo_package, bytes=2 * 10**9)
    with pytest.raises(UnsupportedError, match="2000 MB zipped, and Azure takes 1000 MB"):
        platform.deploy(large, trying.config(platform))


def test_delete_that_is_refused_stays_in_the_ledger(
    deploy: Deploy, platform: AzurePlatform, subscription: EmulatedSubscription, ledger: MemoryLedger
) -> None:
    deployment = deploy()
    subscription.faults.append(Fault("DELETE", SITE, 403, "AuthorizationFailed", "no"))
    with pytest.raises(CredentialsError, match="delete of function"):
        platform.teardown(deployment)
    assert "function" in {kind for kind, _ in ledger.open}
    platform.teardown(deployment)
    assert {"function", "plan"}.isdisjoint(kind for kind, _ in ledger.open)


def test_doctor_names_what_is_missing(
    subscription: EmulatedSubscription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)

    def messages(**settings: object) -> list[str]:
        return [f"{item.message}; {item.advice}" for item in made(tmp_path, subscription, **settings).check()]

    assert messages() == []
    cases: list[tuple[dict[str, Any], str]] = [
        ({"subscription": ""}, "no Azure subscription is known"),
        ({"subscription": SUBSCRIPTION.replace("1", "2")}, "could not be found"),
        ({"client_secret": "wrong"}, "log in again"),
        ({"client": ""}, "tenant, client and client_secret together"),
        ({"region": "moon"}, "choose another with --set region="),
        ({"arm_url": "http://127.0.0.1:1"}, "give https://"),
        ({"certificate": str(tmp_path / "none.pem")}, "cannot be read"),
    ]
    for settings, words in cases:
        (told,) = messages(**settings)
        assert words in told
        assert "wrong" not in told.replace("are wrong", "")


def test_existing_group_is_used_and_stays(
    subscription: EmulatedSubscription, tmp_path: Path, echo_package: Package, ledger: MemoryLedger
) -> None:
    with made(tmp_path, subscription, ledger=ledger) as other:
        other.account.resources.resource_groups.create_or_update("mine", {"location": "eastus"})
    with made(tmp_path, subscription, ledger=ledger, resource_group="mine") as platform:
        deployment = platform.deploy(echo_package, trying.config(platform, options={"tier": "consumption"}))
        assert deployment.effective["function"].startswith("mine/")
        assert invoke(platform, deployment, {"value": 1}).status is Status.OK
        platform.teardown(deployment)
    assert subscription.remaining() == {"resourceGroups": ["mine"]}
    assert ledger.open == {}


def test_options_that_do_not_go_together_are_refused_before(subscription: EmulatedSubscription, tmp_path: Path) -> None:
    platform = made(tmp_path, subscription)

    def reason(memory_mib: int, **options: object) -> str:
        return platform.provision(memory_mib, {"tier": "consumption", **options}, "x86_64").unsupported or ""  # type: ignore[dict-item]

    assert "on Flex Consumption alone" in reason(512, min_instances=1)
    assert "on Flex Consumption alone" in reason(512, sandbox_concurrency=2)
    assert "1536 MiB at most" in reason(2048)
    assert reason(512, max_instances=3) == ""
    assert platform.provision(600, {"tier": "consumption"}, "x86_64").memory_offered_mib == 1536
    with pytest.raises(UserError, match="cannot be read"):
        _ = made(tmp_path, subscription, certificate="/none").certificates


@pytest.mark.parametrize("raw", [b"[1,null]", b'"x"', b"<html>", b'{"value":[1,null]}', b"[" * 5000])
def test_whatever_resource_manager_answers_is_one_problem(
    subscription: EmulatedSubscription, tmp_path: Path, raw: bytes
) -> None:
    subscription.faults += [Fault("GET", r".*/(providers|geoRegions)$", 200, raw=raw, times=None)]
    [problem] = made(tmp_path, subscription).check()
    assert problem.message.startswith("look at the subscription")
    assert problem.advice
