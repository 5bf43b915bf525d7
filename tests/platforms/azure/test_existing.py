"""Functions that a user has are measured as they are, as copies, or changed and put back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Adoption, Deployment, FunctionConfig, Resource, Status
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_azure import packages, resources
from sebsx_azure.backend import AzurePlatform
from sebsx_azure.existing import read_name
from sebsx_azure.functions import FLEX, plan
from sebsx_azure.settings import AzureSettings
from tests.emulated_azure import REGION, SUBSCRIPTION, EmulatedSubscription, Fault
from tests.packages import zip_package
from tests.platforms.azure.conftest import made
from tests.support import Cli, beyond_this_machine, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
APP = "my-app"
PLACE = f"mine/{APP}"
FULL = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/mine/providers/Microsoft.Web/sites/{APP}"
# As a user writes it: none of our shim, no envelope.
CODE = b"""
import json, os
import azure.functions as func
app = func.FunctionApp()

@app.route("resize")
def resize(req: func.HttpRequest) -> func.HttpResponse:
    asked = req.get_json()
    return func.HttpResponse(json.dumps({"mine": os.environ["MINE"], "asked": asked}), status_code=asked["status"])
"""


OTHER = b"""
@app.route("other")
def other(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("{}")
"""
KEY = "THEIR_STORE"  # the setting with the key to where the app keeps its package


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def platform(subscription: EmulatedSubscription, tmp_path: Path, ledger: MemoryLedger) -> Iterator[AzurePlatform]:
    """A platform in whose subscription somebody has an app."""
    with made(tmp_path, subscription, ledger=ledger) as opened:
        clients = opened.account
        clients.resources.resource_groups.create_or_update("mine", {"location": REGION})
        resources.put(clients, resources.ACCOUNT, "mine/theirstore", {}, {"sku": {"name": "Standard_LRS"}})
        account = resources.read_account(clients, "mine/theirstore")
        container = resources.made_container(clients.blobs(account.connection), "packages").url
        authentication = {"type": "StorageAccountConnectionString", "storageAccountConnectionStringName": KEY}
        storage = {"type": "blobContainer", "value": container, "authentication": authentication}
        scale = {"instanceMemoryMB": 2048, "triggers": {"http": {"perInstanceConcurrency": 16}}}
        flex = {
            "runtime": {"name": "python", "version": "3.11"}, "scaleAndConcurrency": scale,
            "deployment": {"storage": storage},
        }  # fmt: skip
        settings = {"MINE": "x", KEY: account.connection, "AzureWebJobsStorage__accountName": "theirstore"}
        resources.put(clients, resources.PLAN, PLACE, {}, plan(FLEX))
        wanted = {
            "serverFarmId": resources.arm_id(clients, resources.PLAN, PLACE), "functionAppConfig": flex,
            "siteConfig": {"appSettings": [{"name": name, "value": value} for name, value in settings.items()]},
        }  # fmt: skip
        identity = {"type": "UserAssigned", "userAssignedIdentities": {f"{FULL}-identity": {}}}
        body = {"kind": "functionapp,linux", "identity": identity, "properties": wanted}
        resources.put(clients, resources.FUNCTION, PLACE, {"team": "ours"}, body)
        publish(opened, tmp_path, CODE)
        yield opened


def publish(opened: AzurePlatform, folder: Path, code: bytes) -> bytes:
    """Give the app a package with these functions, and return the package."""
    library = {key: data for key, data in packages.beside_entry("python").items() if key.startswith(".python")}
    package = zip_package(folder / "p.zip", "x86_64", "x = 1\n", function_app__py=code)
    add(package.path, library)
    opened._functions.publish(PLACE, package.path)
    opened._functions.started(PLACE, "resize")
    return package.path.read_bytes()


def shown(subscription: EmulatedSubscription) -> tuple[Any, dict[str, str]]:
    """Return what of the app may change: all that Azure says of it, and its settings."""
    return copy.deepcopy((subscription.manager.resources[FULL.lower()], subscription.manager.settings[FULL.lower()]))


def add(path: Path, files: dict[str, bytes]) -> None:
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def adoption(address: str = APP, memory_mib: int = 0, **how: bool) -> Adoption:
    config = FunctionConfig("sebsx-copy", memory_mib=memory_mib, timeout_s=60.0, architecture="")
    return Adoption("azure", address, subject=read_name(address).app, config=config, **how)


def test_function_is_measured_as_it_is_and_stays(platform: AzurePlatform, subscription: EmulatedSubscription) -> None:
    before = subscription.remaining()
    deployment = platform.adopt(adoption())
    for address in (f"{APP}/resize", FULL, f"{FULL}/functions/resize"):
        assert platform.adopt(adoption(address)) == deployment
    assert (deployment.config.memory_mib, deployment.effective["tier"]) == (2048, "flex")
    assert (deployment.effective["language"], deployment.effective["language_version"]) == ("python", "3.11")
    assert deployment.effective["sandbox_concurrency"] == 16
    assert deployment.config.timeout_s == 60.0  # what was asked for: the app tells of none
    answer = invoke(platform, deployment, {"status": 200})
    assert (answer.status, answer.reply.body) == (Status.OK, b'{"mine": "x", "asked": {"status": 200}}')
    assert platform.records(deployment, [platform.request_id_of(answer.reply)]) == {}
    refusing = invoke(platform, deployment, {"status": 403})  # the function's own, which ends nothing
    assert refusing.status is Status.PLATFORM_ERROR
    assert invoke(platform, deployment, {"status": 200}).status is Status.OK
    platform.release(deployment)
    assert subscription.remaining() == before


def test_copy_has_the_memory_asked_for_starts_that_function_alone_and_goes(
    platform: AzurePlatform, subscription: EmulatedSubscription, ledger: MemoryLedger, tmp_path: Path
) -> None:
    package = publish(platform, tmp_path, CODE + OTHER)
    before = shown(subscription)
    deployment = platform.adopt(adoption(f"{APP}/resize", memory_mib=512, copy=True))
    place = deployment.effective["function"]
    assert (deployment.effective["memory_mib"], deployment.effective["sandbox_concurrency"]) == (512, 16)
    assert any("other functions of the app are disabled" in note for note in deployment.effective["notes"])
    assert any("identities of the app are not copied" in note for note in deployment.effective["notes"])
    assert any("they have no cost and no sandbox" in note for note in deployment.effective["notes"])
    settings, account = platform._functions.settings(place), platform._resources.account
    assert settings["AzureWebJobs.other.Disabled"] == "true"
    assert {settings[key] for key in settings if key.startswith("AzureWebJobsStorage")} == {account.connection}
    kept = platform.account.blobs(account.connection).get_blob_client(place.partition("/")[2], "released-package.zip")
    assert kept.download_blob().readall() == package
    assert {orphan.name for orphan in platform.orphans() if orphan.kind == "function"} == {place}
    platform.force_cold(deployment)
    assert b'"mine": "x"' in invoke(platform, deployment, {"status": 200}).reply.body
    platform.release(deployment)
    platform.made.delete_all()
    assert shown(subscription) == before
    assert subscription.remaining() == {
        "resourceGroups": ["mine"], "storageAccounts": ["theirstore"], "serverFarms": [APP], "sites": [APP],
    }  # fmt: skip
    assert ledger.open == {}


def change(platform: AzurePlatform) -> Deployment:
    deployment = platform.adopt(adoption(memory_mib=512, in_place=True))
    assert deployment.effective["memory_mib"] == 512
    platform.force_cold(deployment)
    assert b'"mine": "x"' in invoke(platform, deployment, {"status": 200}).reply.body
    return deployment


def test_change_is_put_back(platform: AzurePlatform, subscription: EmulatedSubscription, ledger: MemoryLedger) -> None:
    before = shown(subscription)
    deployment = change(platform)
    assert shown(subscription) != before
    platform.release(deployment)
    platform.release(deployment)
    assert shown(subscription) == before
    assert ledger.open == {}


def test_starts_are_known_by_what_was_done(tmp_path: Path) -> None:
    azure = AzurePlatform(AzureSettings(), context_for(AzurePlatform, tmp_path))
    azure._existing._functions.end_instances = lambda _place: None  # type: ignore[method-assign]
    deployment: Any = SimpleNamespace(adopted=True, effective={"function": PLACE})

    def starts(*calls: tuple[float, float]) -> list[str | None]:
        replies: Any = [
            SimpleNamespace(http_status=200, headers={}, request_id="r", sent_s=sent_s, done_s=done_s)
            for sent_s, done_s in calls
        ]
        records = [azure.record_of(deployment, reply) for reply in replies]
        return [record and record.start_type for record in records]

    assert starts((0, 1), (1, 2), (1.5, 3)) == [None, "warm", None]  # of the first nobody knows
    azure.force_cold(deployment)
    assert starts((4, 6), (4, 6.1), (5, 6.2), (6.1, 7), (6.2, 7.5), (8, 9)) == ["cold", None, None, None, None, "warm"]


def test_change_of_a_killed_run_is_put_back_by_the_command_line(
    platform: AzurePlatform, subscription: EmulatedSubscription, cloud: Cli
) -> None:
    before, words = shown(subscription), ("--in-place", "--memory", "512", "--payload", '{"status": 200}')
    process = cloud.start("run", "function", FULL, "--platform", "azure", *words, "--repetitions", "1000")
    wait_until(lambda: cloud.count() >= 1, process)
    process.kill()
    process.communicate()
    assert {start for (start,) in cloud.rows("SELECT start_type FROM measured")} <= {"cold", "warm"}
    assert shown(subscription)[0]["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] == 512
    assert {row["outcome"] for row in cloud.json("clean")} == {"deleted"}
    assert shown(subscription) == before
    assert beyond_this_machine(cloud.json("clean")) == []


def test_change_that_azure_refuses_leaves_the_app_and_is_harmless_to_put_back(
    platform: AzurePlatform, subscription: EmulatedSubscription, ledger: MemoryLedger
) -> None:
    before = shown(subscription)
    subscription.faults.append(Fault("PUT", r".*/sites/my-app$", 403, "AuthorizationFailed", "not you"))
    with pytest.raises(PlatformError, match="grant the role"):
        platform.adopt(adoption(memory_mib=512, in_place=True))
    [(kind, name)] = ledger.open
    resource = Resource(kind, name, platform="azure", run_id="r", region=REGION, id=1)
    platform.remove(resource)
    assert shown(subscription) == before
    change(platform)
    subscription.faults.append(Fault("PUT", r".*/config/appsettings$", 403, "AuthorizationFailed", "not you"))
    with pytest.raises(PlatformError, match="grant the role"):
        platform.remove(resource)
    platform.remove(resource)
    assert shown(subscription) == before
    platform.account.web.web_apps.delete("mine", APP)
    platform.remove(resource)  # what is gone needs nothing back


def test_package_that_cannot_be_read_is_refused_before_an_app_is_made(
    platform: AzurePlatform, subscription: EmulatedSubscription, ledger: MemoryLedger
) -> None:
    connection = subscription.manager.settings[FULL.lower()][KEY]
    package = platform.account.blobs(connection).get_blob_client("packages", "released-package.zip")
    package.delete_blob()
    with pytest.raises(UnsupportedError, match=r"no released-package.zip in its container 'packages'; measure it as"):
        platform.adopt(adoption(memory_mib=512, copy=True))
    app = subscription.manager.resources[FULL.lower()]
    app["properties"]["functionAppConfig"]["deployment"]["storage"]["authentication"] = {
        "type": "SystemAssignedIdentity"
    }
    with pytest.raises(PlatformError, match=r"read of the package of 'my-app'.*docs/platforms/azure.md"):
        platform.adopt(adoption(memory_mib=512, copy=True))
    assert subscription.remaining()["sites"] == [APP]
    assert {kind for kind, _ in ledger.open} == {"resource-group", "function"}


def test_what_cannot_be_measured_is_refused_in_words(
    platform: AzurePlatform, subscription: EmulatedSubscription
) -> None:
    with pytest.raises(UserError, match=r"function app 'none' does not exist; look with: az functionapp list"):
        platform.adopt(adoption("none"))
    with pytest.raises(UserError, match=r"name one of the functions of 'my-app': my-app/resize"):
        platform.adopt(adoption(f"{APP}/other"))
    with pytest.raises(UserError, match="--set subscription=ID"):
        platform.adopt(adoption(FULL.replace(SUBSCRIPTION, SUBSCRIPTION.replace("1", "2"))))
    with pytest.raises(UserError, match="names no function of Azure"):
        platform.subject_of("9/../x y")
    assert platform.subject_of(f"{FULL}/functions/resize") == "my-app/resize"
    assert platform.recognises(FULL)
    assert not platform.recognises("projects/p/locations/r/functions/f")
    for how in ({"copy": True}, {"in_place": True}):
        with pytest.raises(UnsupportedError, match="1024 MiB is not offered; has 512, 2048, 4096"):
            platform.adopt(adoption(memory_mib=1024, **how))
    plans = subscription.manager.resources[FULL.lower().replace("sites", "serverfarms")]
    plans["sku"] = {"name": "Y1", "tier": "Dynamic"}
    with pytest.raises(UnsupportedError, match=r"not on Flex Consumption; measure it as it is"):
        platform.adopt(adoption(memory_mib=512, copy=True))
    subscription.manager.resources[FULL.lower()]["location"] = "West Europe"
    with pytest.raises(UserError, match="--set region=westeurope"):
        platform.adopt(adoption())
    subscription.faults.append(Fault("GET", r".*/sites/my-app$", 403, "AuthorizationFailed", "not you"))
    with pytest.raises(PlatformError, match="grant the role"):
        platform.adopt(adoption(FULL))
    with pytest.raises(UnsupportedError, match="does not carry our tag"):
        platform.remove(Resource("function", f"mine/{APP}", platform="azure", run_id="", tags={"team": "ours"}))
