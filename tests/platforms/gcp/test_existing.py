"""Functions that a user has are measured as they are, as copies, or changed and put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Adoption, Deployment, FunctionConfig, Resource, Status
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_gcp.backend import GcpPlatform
from sebsx_gcp.existing import read_name
from tests.emulated_gcp import PROJECT, REGION, EmulatedProject, Fault
from tests.packages import zip_package
from tests.platforms.gcp.conftest import made

pytestmark = [pytest.mark.slow]
NAME = "my-function"
FULL = f"projects/{PROJECT}/locations/{REGION}/functions/{NAME}"
# As a user writes it, for the framework: none of our shim, no envelope.
CODE = """
import os
def handler(request):
    return {"memory": os.environ.get("MINE"), "asked": request.get_json()}
"""


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def platform(project: EmulatedProject, tmp_path: Path, ledger: MemoryLedger) -> Iterator[GcpPlatform]:
    """A platform in whose project somebody has a function."""
    with made(tmp_path, project, ledger=ledger) as opened:
        package = zip_package(tmp_path / "p.zip", "x86_64", CODE, main__py=CODE.encode())
        source = opened._functions.upload(package.path)
        service = {
            "available_memory": "256M", "available_cpu": "0.1666", "timeout_seconds": 30, "max_instance_count": 3,
            "environment_variables": {"MINE": "x"},
        }  # fmt: skip
        build = {"runtime": "python311", "entry_point": "handler", "source": {"storage_source": source}}
        opened._functions.create(NAME, build, service, {"team": "ours"})
        yield opened


def adoption(address: str = NAME, memory_mib: int = 0, **how: bool) -> Adoption:
    config = FunctionConfig("sebsx-copy", memory_mib=memory_mib, timeout_s=0.0, architecture="")
    return Adoption("gcp", address, subject=read_name(address).name, config=config, **how)


def test_function_is_measured_as_it_is_and_stays(platform: GcpPlatform, project: EmulatedProject) -> None:
    before = project.control.functions[NAME]
    deployment = platform.adopt(adoption(FULL))
    assert (deployment.config.memory_mib, deployment.config.timeout_s) == (256, 30.0)
    assert deployment.effective["adopted"] == "as it is"
    assert (deployment.effective["language"], deployment.effective["language_version"]) == ("python", "3.11")
    assert deployment.effective["vcpu"] == 0.1666
    answer = invoke(platform, deployment, {"a": 1})
    assert answer.status is Status.OK
    assert b'"asked":{"a":1}' in answer.reply.body.replace(b" ", b"")
    records = platform.records(deployment, [platform.request_id_of(answer.reply)])
    assert [record.start_type for record in records.values()] == ["cold"]  # by the log alone
    platform.release(deployment)
    assert project.control.functions == {NAME: before}


def test_copy_has_the_memory_asked_for_and_goes(
    platform: GcpPlatform, project: EmulatedProject, ledger: MemoryLedger
) -> None:
    deployment = platform.adopt(adoption(memory_mib=1024, copy=True))
    name = deployment.effective["function"]
    assert deployment.effective["memory_mib"] == 1024
    assert deployment.effective["vcpu"] == 0.583
    assert set(project.control.functions) == {NAME, name}
    assert [orphan.name for orphan in platform.orphans()] == [name]
    assert b'"memory":"x"' in invoke(platform, deployment, {}).reply.body.replace(b" ", b"")
    platform.release(deployment)
    assert set(project.control.functions) == {NAME}
    assert ledger.open == {}


def change(platform: GcpPlatform) -> Deployment:
    deployment = platform.adopt(adoption(memory_mib=512, in_place=True))
    assert deployment.effective["memory_mib"] == 512
    platform.force_cold(deployment)
    return deployment


def shown(project: EmulatedProject) -> dict[str, Any]:
    service = project.control.functions[NAME]["serviceConfig"]
    return {key: service[key] for key in ("availableMemory", "availableCpu", "environmentVariables")}


BEFORE = {"availableMemory": "256M", "availableCpu": "0.1666", "environmentVariables": {"MINE": "x"}}


def test_change_is_put_back(platform: GcpPlatform, project: EmulatedProject, ledger: MemoryLedger) -> None:
    deployment = change(platform)
    assert shown(project)["availableMemory"] == "512Mi"
    platform.release(deployment)
    platform.release(deployment)
    assert shown(project) == BEFORE
    assert ledger.open == {}


def test_change_of_a_killed_run_is_put_back_from_the_ledger(
    platform: GcpPlatform, project: EmulatedProject, ledger: MemoryLedger
) -> None:
    change(platform)
    [(kind, name)] = ledger.open
    resource = Resource(kind, name, platform="gcp", run_id="r", region=REGION, id=1)
    platform.remove(resource)
    platform.remove(resource)
    assert shown(project) == BEFORE


def test_what_cannot_be_measured_is_refused_in_words(platform: GcpPlatform, project: EmulatedProject) -> None:
    with pytest.raises(UserError, match=r"function 'none' does not exist; look with: gcloud functions list"):
        platform.adopt(adoption("none"))
    with pytest.raises(UserError, match="--set region=europe-west1"):
        platform.adopt(adoption(FULL.replace(REGION, "europe-west1")))
    with pytest.raises(UserError, match="names no function of Google Cloud"):
        platform.subject_of("9/..")
    assert platform.recognises(FULL)
    assert not platform.recognises("arn:aws:lambda:us-east-1:1:function:f")
    with pytest.raises(UnsupportedError, match="300 MiB is not offered"):
        platform.adopt(adoption(memory_mib=300, copy=True))
    project.control.functions[NAME]["environment"] = "GEN_1"
    with pytest.raises(UnsupportedError, match="first generation"):
        platform.adopt(adoption())
    project.faults.append(Fault("GET", r"/v2/.*/my-function$", 403, "PERMISSION_DENIED"))
    with pytest.raises(PlatformError, match="grant the roles"):
        platform.adopt(adoption())
    with pytest.raises(UnsupportedError, match="does not carry our tag"):
        platform.remove(Resource("function", NAME, platform="gcp", run_id="", tags={"team": "ours"}))
