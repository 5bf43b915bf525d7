"""What an image for Lambda is built from; the push itself needs an engine and a registry."""

from __future__ import annotations

import gc
import tarfile
from pathlib import Path

import pytest

from sebsx.errors import DeployError
from sebsx_aws.clients import Clients
from sebsx_aws.images import _context, push_image
from sebsx_aws.settings import AwsSettings
from tests.packages import zip_package

BASE = "public.ecr.aws/lambda/python:3.12"


def test_context_holds_the_package_below_the_task_root(tmp_path: Path) -> None:
    package = zip_package(tmp_path / "p.zip", "arm64", "def handler(event, context): return 1", more__py=b"x = 1")
    with tarfile.open(fileobj=_context(package, BASE, "sebsx_wrapper_lambda.handler")) as archive:
        names = set(archive.getnames())
        recipe = archive.extractfile("Dockerfile")
        more = archive.extractfile("code/more.py")
        assert recipe is not None
        assert more is not None
        assert recipe.read().decode().splitlines() == [
            f"FROM {BASE}", "COPY code/ /var/task/", 'CMD ["sebsx_wrapper_lambda.handler"]',
        ]  # fmt: skip
        assert more.read() == b"x = 1"
        assert all(member.mode & 0o444 == 0o444 for member in archive)  # Lambda runs it as another user
    assert {"code/function.py", "code/sebsx.json", "code/sebsx_runtime/shim.py"} <= names


# The SDK leaves the socket of a connection that failed to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_machine_without_an_engine_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    package = zip_package(tmp_path / "p.zip", "x86_64", "def handler(event, context): return 1")
    with pytest.raises(DeployError, match=r"images need a Docker engine, and none answers.*package=zip"):
        push_image(Clients(AwsSettings(region="us-east-1")), "registry/repository", "tag", package, BASE, "h.h")
    gc.collect()
