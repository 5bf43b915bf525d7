"""Container images of packages: built on the engine of this machine, pushed to a registry, removed again."""

from __future__ import annotations

import io
import logging
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from sebsx.errors import CredentialsError, DeployError, UnsupportedError
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sebsx.model import Package, Target

EXTRA = "docker"
_MACHINES = {"x86_64": "amd64", "arm64": "arm64"}
_SILENCE_S = 600.0  # of the engine, while it takes in a large layer
# In what registries say to those whom they do not let in; ECR's "Your authorization token has expired" too.
_REFUSED = ("denied", "authoriz", "authentication", "basic auth", "forbidden")


def one_line(text: str) -> str:
    """Return words in one line."""
    return " ".join(text.split())


@contextmanager
def engine(instead: str = "", clean: Callable[[str], str] = one_line) -> Iterator[Any]:
    """Lend a client of the Docker engine that the environment names.

    Args:
        instead: What to do where there is none and will be none, for the message.
        clean: Makes the engine's words fit to be shown.

    Raises:
        MissingDependencyError: If the SDK is not installed.
        DeployError: If no engine answers, or it refuses what is asked of it in the body.
    """
    docker = require("docker", extra=EXTRA)
    for name in ("docker", "urllib3"):  # they tell the names of images, which hold the number of an account
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        client = docker.from_env(timeout=_SILENCE_S)
    except docker.errors.DockerException as exc:
        raise DeployError(
            f"images need a Docker engine, and none answers: {clean(str(exc))}; "
            f"start one (systemctl start docker, or dockerd){f', or {instead}' if instead else ''}"
        ) from exc
    try:
        yield client
    except (docker.errors.DockerException, OSError) as exc:
        raise DeployError(f"the Docker engine failed: {clean(str(exc))}") from exc
    finally:
        client.close()


def base_of(named: str, target: Target) -> str:
    """Return a base image: `{language}` and `{version}` in its name stand for those of the target."""
    return named.format(language=target.language, version=target.version)


def build_image(
    client: Any,
    name: str,
    package: Package,
    *,
    base: str,
    folder: str,
    recipe: Sequence[str] = (),
    more: Mapping[str, bytes] | None = None,
    clean: Callable[[str], str] = one_line,
) -> Mapping[str, Any]:
    """Build an image of a package and return what the engine says of it. It stays there, see `remove_image`.

    Args:
        client: Of the engine.
        name: What it is called, with a tag.
        package: What goes into it.
        base: Base image, see `base_of`.
        folder: Where the package goes.
        recipe: Lines of the Dockerfile behind that.
        more: Files of the build context beside the package, for these lines.
        clean: Makes the engine's words fit to be shown.

    Raises:
        DeployError: If the engine cannot build it.
        UnsupportedError: If the base is for another architecture.
    """
    from docker.errors import BuildError

    what, machine = f"image of {package.benchmark!r}", _MACHINES[package.target.architecture]
    base = base_of(base, package.target)
    with build_context(package, [f"FROM {base}", f"COPY code/ {folder}/", *recipe], more or {}) as context:
        try:
            image, _ = client.images.build(
                fileobj=context, custom_context=True, tag=name, platform=f"linux/{machine}", rm=True, forcerm=True
            )
        except BuildError as exc:
            raise DeployError(
                f"{what} cannot be built: {clean(str(exc))}; can the Docker engine get its base image {base!r}? "
                "Name another with --set base_image=..."
            ) from exc
    built: Mapping[str, Any] = image.attrs
    if built["Architecture"] != machine:
        raise UnsupportedError(
            f"{what} is for {built['Architecture']}, as base image {base!r} on the Docker engine is, and not for "
            f"{machine}; pull that (docker pull --platform linux/{machine}), or name another with --set base_image=..."
        )
    return built


def push_image(
    client: Any,
    name: str,
    login: Mapping[str, str] | None,
    *,
    what: str,
    advice: str,
    clean: Callable[[str], str] = one_line,
) -> str:
    """Push an image to the registry in its name, and return its URI by digest.

    Args:
        client: Of the engine.
        name: Its name with registry and tag.
        login: Who may push, handed over with it alone, so that it is written nowhere; None for the engine's own log-in.
        what: What is pushed, for messages.
        advice: What to do where the registry lets nobody in.
        clean: Makes the engine's words fit to be shown.

    Raises:
        CredentialsError: If the registry refuses our push.
        DeployError: If it fails.
    """
    for line in client.images.push(name, auth_config=login, stream=True, decode=True):
        if "error" in line:
            said = clean(line["error"])
            if any(word in said.lower() for word in _REFUSED):
                raise CredentialsError(f"the registry refused the push of the {what}: {said}; {advice}")
            raise DeployError(
                f"push of the {what} failed: {said}; can the Docker engine reach the registry? It has a network and "
                "proxies of its own (docker info)"
            )
    repository = name.rpartition(":")[0]
    (uri,) = (uri for uri in client.images.get(name).attrs["RepoDigests"] if uri.startswith(f"{repository}@"))
    return str(uri)


def remove_image(client: Any, name: str) -> None:
    """Remove an image from the engine. Harmless when it is gone.

    Args:
        client: Of the engine.
        name: Repository and tag without the registry, whose host may hold the number of an account.
    """
    for image in client.images.list(filters={"reference": f"*/{name}"}):
        for tag in image.tags:
            if tag.endswith(f"/{name}"):
                client.images.remove(tag)


def forget_image(client: Any, name: str) -> None:
    """Remove an image from the engine by its whole name. Harmless when it is gone."""
    from docker.errors import ImageNotFound

    with suppress(ImageNotFound):
        client.images.remove(name)


def build_context(package: Package, recipe: Sequence[str], more: Mapping[str, bytes]) -> IO[bytes]:
    """Return a build context with the unpacked package below `code/`, which may be larger than memory."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the caller's to close
    with tarfile.open(fileobj=file, mode="w") as archive, zipfile.ZipFile(package.path) as source:
        _add(archive, "Dockerfile", "".join(f"{line}\n" for line in recipe).encode())
        for name, data in more.items():
            _add(archive, name, data)
        for entry in source.infolist():
            if not entry.is_dir():
                _add(archive, f"code/{entry.filename}", source.read(entry), entry.external_attr >> 16 & 0o777 | 0o644)
    file.seek(0)
    return file


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))
