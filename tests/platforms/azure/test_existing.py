"""Functions that a user has are measured as they are, and stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Adoption, FunctionConfig, Resource, Status
from sebsx.testing.invoking import invoke
from sebsx_azure import packages, resources
from sebsx_azure.backend import AzurePlatform
from sebsx_azure.existing import read_name
from sebsx_azure.functions import FLEX, plan
from tests.emulated_azure import REGION, SUBSCRIPTION, EmulatedSubscription, Fault
from tests.packages import zip_package
from tests.platforms.azure.conftest import made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
APP = "my-app"
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


@pytest.fixture
def platform(subscription: EmulatedSubscription, tmp_path: Path) -> Iterator[AzurePlatform]:
    """A platform in whose subscription somebody has an app."""
    with made(tmp_path, subscription) as opened:
        clients, place = opened._clients, f"mine/{APP}"
        clients.resources.resource_groups.create_or_update("mine", {"location": REGION})
        resources.put(clients, resources.PLAN, place, {}, plan(FLEX))
        scale = {"instanceMemoryMB": 2048, "triggers": {"http": {"perInstanceConcurrency": 16}}}
        settings = [{"name": "MINE", "value": "x"}]
        flex = {"runtime": {"name": "python", "version": "3.11"}, "scaleAndConcurrency": scale}
        wanted = {
            "serverFarmId": resources.arm_id(clients, resources.PLAN, place), "functionAppConfig": flex,
            "siteConfig": {"appSettings": settings},
        }  # fmt: skip
        resources.put(clients, resources.FUNCTION, place, {"team": "ours"}, {"properties": wanted})
        library = {key: data for key, data in packages.files_for("python").items() if key.startswith(".python")}
        package = zip_package(tmp_path / "p.zip", "x86_64", "x = 1\n", function_app__py=CODE)
        add(package.path, library)
        opened._functions.publish(place, package.path)
        opened._functions.started(place, "resize")
        yield opened


def add(path: Path, files: dict[str, bytes]) -> None:
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def adoption(address: str = APP, **how: bool) -> Adoption:
    config = FunctionConfig("sebsx-copy", memory_mib=0, timeout_s=60.0, architecture="")
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
        with pytest.raises(UnsupportedError, match="measured as it is"):
            platform.adopt(adoption(**how))
    subscription.manager.resources[FULL.lower()]["location"] = "West Europe"
    with pytest.raises(UserError, match="--set region=westeurope"):
        platform.adopt(adoption())
    subscription.faults.append(Fault("GET", r".*/sites/my-app$", 403, "AuthorizationFailed", "not you"))
    with pytest.raises(PlatformError, match="grant the role"):
        platform.adopt(adoption(FULL))
    with pytest.raises(UnsupportedError, match="does not carry our tag"):
        platform.remove(Resource("function", f"mine/{APP}", platform="azure", run_id="", tags={"team": "ours"}))
