"""The Docker engine: a client of it, what stands in its way, and what on it is ours."""

from __future__ import annotations

import platform
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import DeployError, MissingDependencyError, PlatformError
from sebsx.model import Problem, Severity
from sebsx.system.lazy import require
from sebsx.system.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXTRA = "docker"
# Labels on everything of a run besides its tags: the process that made it, and the network that ties containers to it.
OWNER, ON = "sebsx.process", "sebsx.network"
# What Docker's SDK reads of the environment.
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")
CONTAINER, NETWORK = "container", "network"  # kinds of resources

_OLDEST_API = (1, 40)  # Docker 19.03, July 2019: build and run for another architecture
_LEAST_FREE_BYTES = 2**30
_THREADS = 64
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # our names -> those of binfmt


def connect() -> Any:
    """Return a `docker.APIClient` for the engine that the environment names; DOCKER_HOST and the like are heeded.

    Raises:
        MissingDependencyError: If the SDK is not installed.
        PlatformError: If the engine does not answer; `.args` says why.
    """
    docker = require("docker", extra=EXTRA)
    from docker.utils import kwargs_from_env

    try:
        return docker.APIClient(version="auto", max_pool_size=_THREADS, **kwargs_from_env())
    except docker.errors.DockerException as exc:
        raise PlatformError(_why(exc)) from exc


@contextmanager
def answering() -> Iterator[None]:
    """Turn a connection to the engine that breaks in the body into a `PlatformError` that says what to do."""
    exceptions = require("requests.exceptions", extra=EXTRA)
    try:
        yield
    except (exceptions.ConnectionError, exceptions.Timeout) as exc:
        raise PlatformError(_why(exc)) from exc


def problems(architecture: str, host: str) -> Iterator[Problem]:
    """Yield what keeps containers of an architecture from running here."""
    if sys.platform != "linux":
        yield Problem(
            f"sandboxes must reach the gateway on the engine's own machine, and {platform.system()} runs the engine in "
            "a virtual machine",
            advice="run sebsx on Linux, or inside that machine",
        )
        return
    try:
        client = connect()
    except (MissingDependencyError, PlatformError) as exc:
        message, _, advice = str(exc).partition("; ")
        yield Problem(message, advice=advice)
        return
    try:
        yield from _of_engine(client)
    finally:
        client.close()
    if architecture != host:
        yield from _of_emulator(architecture)


def networks(client: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the networks that runs made."""
    yield from client.networks(filters={"label": [OWNER]})


def containers(client: Any, network: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield the containers that runs made, in whatever state; those on one network if it is named."""
    label = OWNER if network is None else f"{ON}={network}"
    yield from client.containers(all=True, filters={"label": [label]})


def is_orphan(labels: Mapping[str, str]) -> bool:
    """Return whether something is ours and of a process that no longer runs."""
    owner = labels.get(OWNER)
    return owner is not None and not is_alive(owner)


def create_network(
    client: Any, name: str, device: str, labels: Mapping[str, str], *, internal: bool
) -> tuple[str, str]:
    """Make a run's own network; return its id and this machine's address on it.

    Args:
        client: Of the engine.
        name: Of the network.
        device: Of the bridge on this machine, 15 characters at most.
        labels: On the network.
        internal: Whether nothing on it reaches beyond this machine.

    Raises:
        DeployError: If the engine refuses.
    """
    import docker.errors

    try:
        network = client.create_network(
            name,
            driver="bridge",
            options={"com.docker.network.bridge.name": device},
            labels=dict(labels),
            internal=internal,
            check_duplicate=True,
        )
        inspected = client.inspect_network(network["Id"])
    except docker.errors.APIError as exc:
        raise DeployError(f"network {name!r} cannot be made: {exc.explanation}; see `docker network ls`") from exc
    addresses = [entry["Gateway"] for entry in inspected["IPAM"]["Config"] if ":" not in entry["Gateway"]]
    return str(network["Id"]), addresses[0].partition("/")[0]


def remove_container(client: Any, container: str) -> None:
    """End and remove a container. Harmless when it is gone or going."""
    import docker.errors

    try:
        client.remove_container(container, force=True, v=True)
    except docker.errors.APIError as exc:
        if exc.response is None or exc.response.status_code not in (404, 409):  # 409: somebody else is at it
            raise


def remove_network(client: Any, name: str) -> None:
    """Remove a network of ours and every container of ours on it. Harmless when it is gone.

    Raises:
        PlatformError: If it cannot be removed, or is not ours.
    """
    import docker.errors

    for container in containers(client, name):
        remove_container(client, container["Id"])
    try:
        network = client.inspect_network(name)
        if OWNER not in network["Labels"]:
            raise PlatformError(f"network {name!r} has no label {OWNER!r}: it is not ours and stays")
        client.remove_network(network["Id"])
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as exc:
        raise PlatformError(f"network {name!r} cannot be removed: {exc.explanation}") from exc


def _of_engine(client: Any) -> Iterator[Problem]:
    version = tuple(int(word) for word in client.api_version.split("."))
    if version < _OLDEST_API:
        oldest = ".".join(map(str, _OLDEST_API))
        yield Problem(
            f"the engine speaks API {client.api_version}, older than {oldest}", advice="install Docker 19.03 or newer"
        )
        return
    if not client.base_url.startswith("http+docker:"):
        yield Problem(
            f"the engine at {client.base_url} is on another machine, whose containers cannot reach the gateway here",
            advice="unset DOCKER_HOST, or run sebsx on that machine",
        )
        return
    info = client.info()
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        yield Problem(
            "the engine is rootless: its networks are its own, and containers cannot reach the gateway",
            advice="point DOCKER_HOST at an engine that runs as root",
        )
    for key, what in (("MemoryLimit", "memory"), ("SwapLimit", "swap"), ("CpuCfsQuota", "the processor share")):
        if not info.get(key, True):
            yield Problem(f"the engine cannot limit {what} on this kernel", severity=Severity.WARNING)
    yield from _of_disk(Path(info["DockerRootDir"]))


def _of_disk(folder: Path) -> Iterator[Problem]:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # not for us to see, or of another machine's tree
        return
    if free < _LEAST_FREE_BYTES:
        yield Problem(
            f"only {free // 2**20} MiB are free in {str(folder)!r}, where the engine keeps images",
            advice="free 1 GiB: docker system df, docker image prune",
        )


def _of_emulator(architecture: str, binfmt: Path = _BINFMT) -> Iterator[Problem]:
    machine = _MACHINES.get(architecture, architecture)
    try:
        said = (binfmt / f"qemu-{machine}").read_text(encoding="ascii").splitlines()
    except OSError:
        said = []
    flags = next((line.removeprefix("flags:") for line in said if line.startswith("flags:")), "")
    if "enabled" not in said or "F" not in flags:
        yield Problem(
            f"this kernel does not hand programs for {machine} to qemu",
            advice="apt-get install qemu-user-static binfmt-support, then as root: "
            f"cat /usr/lib/binfmt.d/qemu-{machine}.conf > {binfmt}/register",
        )


def _why(exc: BaseException) -> str:
    """Return why the engine does not answer and what to do, from the exception at the bottom."""
    chain, cause = "", exc
    while cause is not None:
        chain += f"{cause!r} "
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]  # None ends the loop
    if "PermissionError" in chain:
        return "this user may not talk to the Docker engine; add yourself to the group `docker` and log in again"
    if "FileNotFoundError" in chain or "ConnectionRefusedError" in chain:
        return "no Docker engine answers; start one (systemctl start docker, or dockerd), or set DOCKER_HOST"
    return f"the Docker engine cannot be used: {exc}; see `docker version`"
