"""A registry on loopback that lets in everybody, and images for tests, on the Docker engine of this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sebsx.clouds import images
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE
from sebsx_docker.images import base_image

_WITHIN_S = 20.0


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Lend the host of a registry; skip where Debian's is not installed, which is an error in CI."""
    if shutil.which("docker-registry") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("docker-registry was not found; see .ci/run")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{found.getsockname()[1]}"
    config = {
        "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}}, "http": {"addr": host},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
    }  # fmt: skip
    (folder / "registry.yml").write_text(json.dumps(config))  # JSON is YAML
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + _WITHIN_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(host.partition(":")[2]))) == 0:
                    break
            assert process.poll() is None, "the registry has ended"
            assert time.monotonic() < ends, "the registry does not answer"
            time.sleep(0.02)
        yield host
    finally:
        process.terminate()
        process.wait()


@contextmanager
def image(folder: Path, recipe: str) -> Iterator[str]:
    """Lend the name of an image that is built of a folder by a recipe, on this machine's interpreters (`{base}`)."""
    name = f"sebsx-test:{uuid.uuid4().hex[:12]}"
    with images.engine() as client:
        base = base_image(client.api, HOST_ARCHITECTURE, HOST_ARCHITECTURE)
        (folder / "Dockerfile").write_text(recipe.format(base=base.id))
        client.images.build(path=str(folder), tag=name, rm=True)
        try:
            yield name
        finally:
            client.images.remove(name, force=True)


def forget(reference: str) -> None:
    """Remove the images of a repository from the engine, which a stand-in pulled."""
    with images.engine() as client:
        for found in client.images.list(filters={"reference": reference}):
            client.images.remove(found.id, force=True)
