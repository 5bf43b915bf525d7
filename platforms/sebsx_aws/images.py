"""Container images for Lambda: the package on AWS's base image, pushed to the run's repository."""

from __future__ import annotations

import base64
import io
import logging
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from sebsx.errors import CredentialsError, DeployError, UnsupportedError
from sebsx.system.lazy import require
from sebsx_aws.clients import Clients, clean, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.model import Package

_MACHINES = {"x86_64": "amd64", "arm64": "arm64"}
_TASK_ROOT = "/var/task"
_SILENCE_S = 600.0  # of the engine, while it takes in a large layer
# Lambda's limit for an image, all layers, uncompressed (developer guide, "Lambda quotas").
_IMAGE_BYTES = 10 * 1024**3
# In what registries say to those whom they do not let in; ECR's "Your authorization token has expired" too.
_REFUSED = ("denied", "authoriz", "authentication", "basic auth", "forbidden")


@contextmanager
def engine() -> Iterator[Any]:
    """Lend a client of the Docker engine that the environment names.

    Raises:
        MissingDependencyError: If the SDK is not installed.
        DeployError: If no engine answers, or it refuses what is asked of it in the body.
    """
    docker = require("docker", extra="docker")
    for name in ("docker", "urllib3"):  # they tell the names of images, which hold the number of the account
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        client = docker.from_env(timeout=_SILENCE_S)
    except docker.errors.DockerException as exc:
        raise DeployError(
            f"images need a Docker engine, and none answers: {clean(str(exc))}; "
            "start one (systemctl start docker, or dockerd), or use --option package=zip"
        ) from exc
    try:
        yield client
    except (docker.errors.DockerException, OSError) as exc:
        raise DeployError(f"the Docker engine failed: {clean(str(exc))}") from exc
    finally:
        client.close()


def push_image(
    client: Any, clients: Clients, repository: str, tag: str, package: Package, base: str, handler: str
) -> str:
    """Build an image, push it, and return its URI by digest. It stays on the engine, see `remove_image`.

    Args:
        client: Of the engine.
        clients: The account; ECR says who may push.
        repository: Its URI.
        tag: What the image is called in it.
        package: What goes to the task root.
        base: Base image; `{version}` stands for the version of the language.
        handler: What the runtime client of the base image calls.

    Raises:
        DeployError: If the engine cannot build or push it.
        CredentialsError: If the registry takes no push from us.
        UnsupportedError: If the base is for another architecture, or the image larger than Lambda takes.
    """
    from docker.errors import BuildError

    name, what = f"{repository}:{tag}", f"image of {package.benchmark!r}"
    base = base.format(version=package.target.version)
    machine = _MACHINES[package.target.architecture]
    with _context(package, base, handler) as context:
        try:
            image, _ = client.images.build(
                fileobj=context, custom_context=True, tag=name, platform=f"linux/{machine}", rm=True, forcerm=True
            )
        except BuildError as exc:
            raise DeployError(
                f"{what} cannot be built: {clean(str(exc))}; can the Docker engine get its base image {base!r}? "
                "Name another with --set base_image=..."
            ) from exc
    built = image.attrs
    if built["Architecture"] != machine:
        raise UnsupportedError(
            f"{what} is for {built['Architecture']}, as base image {base!r} on the Docker engine is, and not for "
            f"{machine}; pull that (docker pull --platform linux/{machine}), or name another with --set base_image=..."
        )
    if built["Size"] > _IMAGE_BYTES:
        raise UnsupportedError(
            f"{what} is {built['Size'] / 2**30:.1f} GiB, and Lambda takes 10 GiB; leave out what it does not need"
        )
    _push(client, clients, name, what)
    (uri,) = (uri for uri in client.images.get(name).attrs["RepoDigests"] if uri.startswith(f"{repository}@"))
    return str(uri)


def remove_image(client: Any, name: str) -> None:
    """Remove an image from the engine. Harmless when it is gone.

    Args:
        client: Of the engine.
        name: Repository and tag without the registry, whose host may hold the number of the account.
    """
    for image in client.images.list(filters={"reference": f"*/{name}"}):
        for tag in image.tags:
            if tag.endswith(f"/{name}"):
                client.images.remove(tag)


def image_facts(clients: Clients, function: str) -> dict[str, Any]:
    """Return what ECR says of the image that Lambda runs for a function: digest, and bytes, compressed."""
    with explained(f"read of the image of {function!r}"):
        uri = clients.functions.get_function(FunctionName=function)["Code"]["ResolvedImageUri"]
        repository, _, digest = uri.partition("/")[2].partition("@")
        told = clients.ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    return {"image_digest": digest, "image_bytes": told["imageDetails"][0]["imageSizeInBytes"]}


def _push(client: Any, clients: Clients, name: str, what: str) -> None:
    """Push what has a name on the engine to the registry in that name."""
    for line in client.images.push(name, auth_config=_login(clients), stream=True, decode=True):
        if "error" in line:
            said = clean(line["error"])
            if any(word in said.lower() for word in _REFUSED):
                raise CredentialsError(
                    f"the registry takes no push of the {what}: {said}; log in again (aws sso login), or allow it "
                    "with the policy that 'sebsx aws policy' prints"
                )
            raise DeployError(
                f"push of the {what} failed: {said}; can the Docker engine reach the registry? It has a network and "
                "proxies of its own (docker info)"
            )


def _context(package: Package, base: str, handler: str) -> IO[bytes]:
    """Return a build context with the unpacked package, which may be larger than memory."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the caller's to close
    with tarfile.open(fileobj=file, mode="w") as archive, zipfile.ZipFile(package.path) as source:
        _add(archive, "Dockerfile", f'FROM {base}\nCOPY code/ {_TASK_ROOT}/\nCMD ["{handler}"]\n'.encode())
        for entry in source.infolist():
            if not entry.is_dir():
                _add(archive, f"code/{entry.filename}", source.read(entry), entry.external_attr >> 16 & 0o777 | 0o644)
    file.seek(0)
    return file


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def _login(clients: Clients) -> dict[str, str]:
    """Return what a push is allowed by; handed over with it alone, so that it is written nowhere."""
    with explained("log-in to the registry"):
        told = clients.ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}
