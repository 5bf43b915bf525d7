"""Container images for Lambda: the package on AWS's base image, pushed to the run's repository."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

from sebsx.errors import DeployError
from sebsx.lazy import require
from sebsx_aws.clients import Clients, explained

if TYPE_CHECKING:
    from sebsx.model import Package

_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_TASK_ROOT = "/var/task"


def push_image(clients: Clients, repository: str, tag: str, package: Package, base: str, handler: str) -> str:
    """Build an image, push it, and return its URI by digest.

    Args:
        clients: The account; ECR says who may push.
        repository: URI of the repository.
        tag: Tag of the image.
        package: What goes to the task root.
        base: Base image; `{version}` stands for the version of the language.
        handler: What the runtime client of the base image calls.

    Raises:
        DeployError: If the engine cannot build or push it.
    """
    docker = require("docker", extra="docker")
    try:
        engine = docker.from_env()
    except docker.errors.DockerException as exc:
        raise DeployError(
            f"images need a Docker engine, and none answers: {exc}; start it, or use package=zip"
        ) from exc
    try:
        name = f"{repository}:{tag}"
        context = _context(package, base.format(version=package.target.version), handler)
        engine.images.build(
            fileobj=context,
            custom_context=True,
            tag=name,
            platform=_PLATFORMS[package.target.architecture],
            rm=True,
        )
        login = _login(clients)
        for line in engine.images.push(repository, tag=tag, auth_config=login, stream=True, decode=True):
            if "error" in line:
                raise DeployError(f"push of image {name!r} failed: {line['error']}")
        digests = engine.images.get(name).attrs.get("RepoDigests") or ()
        return next((str(digest) for digest in digests if digest.startswith(f"{repository}@")), name)
    except docker.errors.BuildError as exc:
        raise DeployError(f"image of {package.benchmark!r} cannot be built: {exc}") from exc
    except docker.errors.APIError as exc:
        raise DeployError(f"the Docker engine failed: {exc.explanation or exc}") from exc
    finally:
        engine.close()


def _context(package: Package, base: str, handler: str) -> io.BytesIO:
    """Return a build context with the unpacked package."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive, zipfile.ZipFile(package.path) as source:
        _add(archive, "Dockerfile", f'FROM {base}\nCOPY code/ {_TASK_ROOT}/\nCMD ["{handler}"]\n'.encode())
        for entry in source.infolist():
            if not entry.is_dir():
                _add(archive, f"code/{entry.filename}", source.read(entry), entry.external_attr >> 16 & 0o777 | 0o644)
    buffer.seek(0)
    return buffer


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def _login(clients: Clients) -> dict[str, Any]:
    with explained("log-in to the registry"):
        told = clients.ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}
