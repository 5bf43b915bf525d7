from __future__ import annotations

import io
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import DeployError, UnsupportedError
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE
from sebsx.testing.contexts import context_for
from sebsx_docker import images
from sebsx_docker.backend import DockerArmPlatform, DockerPlatform
from sebsx_docker.settings import DockerSettings
from tests.platforms.docker.conftest import open_docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture
def named(client: Any) -> Iterator[str]:
    """An image of somebody's own, with the languages of the base under a name that needs no registry."""
    base = images.base_image(client, HOST_ARCHITECTURE, HOST_ARCHITECTURE)
    name = f"sebsx-test:{uuid.uuid4().hex[:8]}"
    text = f'FROM {base.id}\nENV MARK=mine\nENTRYPOINT ["/bin/sh", "-c", "exit 9"]\n'
    for answer in client.build(fileobj=io.BytesIO(text.encode()), tag=name, rm=True, decode=True):
        assert "error" not in answer, answer
    yield name
    client.remove_image(name, force=True)


def test_base_image_is_made_once_and_kept(client: Any) -> None:
    first = images.base_image(client, HOST_ARCHITECTURE, HOST_ARCHITECTURE)
    second = images.base_image(client, HOST_ARCHITECTURE, HOST_ARCHITECTURE)

    assert first == second
    assert first.architecture == HOST_ARCHITECTURE
    labels = client.inspect_image(first.id)["Config"]["Labels"]
    assert labels[images.LABEL] == HOST_ARCHITECTURE


def test_base_image_holds_the_interpreters_of_this_machine(client: Any) -> None:
    base = images.base_image(client, HOST_ARCHITECTURE, HOST_ARCHITECTURE)

    found = images.contents(client, base, {})

    assert found.versions["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert ("nodejs" in found.versions) == (images.node() is not None)


def test_named_image_is_asked_what_it_holds_and_used(named: str, tmp_path: Path, client: Any) -> None:
    for local in open_docker(tmp_path, image=named):
        target = local.platform.target("python", HOST_ARCHITECTURE)
        deployment = local.deploy("import os\ndef handler(event, context):\n    return os.environ.get('MARK')\n")
        assert local.call(deployment)[1]["output"] == "mine"
        assert deployment.effective["image"] == client.inspect_image(named)["Id"]

    assert target.version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert target.binaries.startswith("manylinux")


def test_image_without_the_language_cannot_be_deployed_to(named: str, tmp_path: Path, sebsx_registry: Any) -> None:
    platform = DockerPlatform(DockerSettings(image=named), context_for(DockerPlatform, tmp_path / "run" / "docker"))
    platform._probed = images.Contents("2.36", {"nodejs": "20"})

    with pytest.raises(UnsupportedError, match="no interpreter for 'python'"):
        platform.target("python", HOST_ARCHITECTURE)


def test_image_that_the_engine_has_not_is_told(needs_engine: None, tmp_path: Path) -> None:
    context = context_for(DockerPlatform, tmp_path / "run" / "docker")
    platform = DockerPlatform(DockerSettings(image="no-such-image:1"), context)

    (problem,) = platform.check()

    assert problem.message == "the engine has no image 'no-such-image:1'"
    with pytest.raises(DeployError, match="no-such-image"):
        platform.target("python", HOST_ARCHITECTURE)


@pytest.mark.skipif(HOST_ARCHITECTURE != "x86_64", reason="the image named is one for this machine")
def test_image_for_another_architecture_is_unsupported(named: str, tmp_path: Path) -> None:
    context = context_for(DockerArmPlatform, tmp_path / "run" / "docker-arm")
    platform = DockerArmPlatform(DockerSettings(image=named), context)

    with pytest.raises(UnsupportedError, match="is for x86_64, not for arm64"):
        platform.target("python", "arm64")
