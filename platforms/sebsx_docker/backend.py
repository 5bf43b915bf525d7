"""The platforms `docker` and `docker-arm`: the same packages as everywhere, run in containers of this machine."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sebsx.clouds.tags import RUN_TAG, are_ours
from sebsx.contracts.naming import NamingRule
from sebsx.errors import DeployError, PlatformError, UnsupportedError
from sebsx.model import FunctionConfig, Package, Problem, Resource, Severity, Target
from sebsx.sandboxes import Gateway
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE, GatewayPlatform, binaries_of, host_binaries
from sebsx.system.processes import owner_of
from sebsx_docker import engine, images, launcher
from sebsx_docker.containers import PACKAGE, SHARED, Mold, cpus_of, limits_of
from sebsx_docker.settings import DockerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext

logger = logging.getLogger(__name__)

# Times as long as here: geometric mean of 16 functions of the ARM study under qemu 7.2, 2 for memory, 43 for threads.
_EMULATED = 9
_NOBODY = 65534
_MADE = ("packages", "shared")
_LOG = "gateway.log"
_NETWORK = NamingRule(longest=63, marks="-_.")
_BRIDGE = NamingRule(longest=15)  # of the kernel: IFNAMSIZ


class DockerPlatform(GatewayPlatform[DockerSettings]):
    """The engine of this machine, at its own architecture."""

    name = "docker"
    also_called = ("container", "containers")
    summary = "containers of this machine's Docker engine behind a gateway; no account or registry needed"
    extra = engine.EXTRA
    Settings = DockerSettings
    inside = SHARED

    def __init__(self, settings: DockerSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self.owner = _NOBODY if os.geteuid() == 0 else None
        self._network = ""
        self._connection: Any = None
        self._base: images.Base | None = None
        self._probed: images.Contents | None = None

    @property
    def shared(self) -> Path:
        """The folder that is mounted into every container."""
        return self.workdir / "shared"

    def check(self) -> Sequence[Problem]:
        """Return what is wrong with the engine, the emulator or the image."""
        (architecture,) = self.architectures
        found = list(engine.problems(architecture, HOST_ARCHITECTURE))
        if any(problem.severity is Severity.ERROR for problem in found):
            return found
        if self.settings.image:
            with self._engine() as client:
                image = images.find(client, self.settings.image)
            if image is None:
                found.append(
                    Problem(f"the engine has no image {self.settings.image!r}", advice="pull it, or unset image")
                )
        elif architecture != HOST_ARCHITECTURE and shutil.which("mmdebstrap") is None:
            found.append(
                Problem("mmdebstrap was not found, which makes the base image", advice="apt-get install mmdebstrap")
            )
        return found

    def caveats(self) -> Sequence[Problem]:
        """Say whether the processor is emulated here, and how much longer a run takes then."""
        (architecture,) = self.architectures
        if architecture == HOST_ARCHITECTURE:
            return ()
        return [
            Problem(
                f"{architecture} is emulated on this machine: calls take about {_EMULATED} times as long as on "
                f"{HOST_ARCHITECTURE}, which the times of a plan leave out, and do not show how fast {architecture} is",
                advice=f"to measure {architecture}, run on a machine that has such a processor",
                severity=Severity.WARNING,
            )
        ]

    def __enter__(self) -> Self:
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.shared.mkdir(exist_ok=True)
        if self.owner is not None:
            os.chown(self.shared, self.owner, self.owner)
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.stop()
        network, self._network = self._network, ""
        try:
            if network:
                with self._engine() as client:
                    engine.remove_network(client, network)
                self.ledger.deleted(engine.NETWORK, network)
        finally:
            self._close()

    def _close(self) -> None:
        """Let go of the engine, and remove what is on this disk."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for name in _MADE:
            shutil.rmtree(self.workdir / name, ignore_errors=True)
        (self.workdir / _LOG).unlink(missing_ok=True)
        if self.workdir.is_dir() and not any(self.workdir.iterdir()):
            self.workdir.rmdir()

    def target(self, language: str, architecture: str) -> Target:
        """Return what the image holds: this machine's interpreters, Debian's, or those of the image named."""
        if architecture not in self.architectures:
            raise UnsupportedError(f"platform {self.name!r} is for {self.architectures[0]}, not for {architecture!r}")
        binaries = "manylinux_2_28"
        version = self.language(language).host_version()
        if self.settings.image:
            contents = self._contents()
            version, binaries = contents.versions.get(language), binaries_of(contents.glibc)
        elif architecture == HOST_ARCHITECTURE:
            binaries = host_binaries()
        else:
            version = images.DEBIAN.get(language)
        if version is None:
            raise UnsupportedError(f"the image of platform {self.name!r} has no interpreter for {language!r}")
        return Target(language, version, architecture=architecture, binaries=binaries)

    def refusal(self, language: str, architecture: str) -> str | None:
        """Say nothing of an image that is named: what it holds is looked at when it is needed."""
        return None if self.settings.image else super().refusal(language, architecture)

    def sandboxes(self, target: Target, root: Path, config: FunctionConfig) -> Mapping[str, Any]:
        """Return the mold of the deployment's containers."""
        return self._mold(target, root, config).told()

    def effective(self, target: Target, config: FunctionConfig, limits: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the engine reports of a container that is made for this, looked at and removed."""
        import docker.errors

        mold = self._mold(target, self._unpacked[config.name][1], config)
        name = f"{self._network}-{secrets.token_hex(6)}"
        with self._engine() as client:
            try:
                container, warnings = mold.create(client, name, config.memory_mib, {}, self.cpus(config))
                inspected = client.inspect_container(container)
                engine.remove_container(client, container)
                version = client.version()["Version"]
            except docker.errors.APIError as exc:
                raise DeployError(f"the engine refuses a container for {config.name!r}: {exc}") from exc
        image = self._image()
        return {
            "memory_mib": inspected["HostConfig"]["Memory"] // 2**20,
            "architecture": image.architecture,
            "vcpu": cpus_of(inspected),
            "emulated": image.architecture != HOST_ARCHITECTURE,
            "limits": limits_of(inspected),
            "image": image.id,
            "user": inspected["Config"]["User"],
            "engine": version,
            **({"warnings": warnings} if warnings else {}),
        }

    def orphans(self) -> Sequence[Resource]:
        """Return containers and networks of processes that no longer run; nothing where no engine answers."""
        try:
            with self._engine() as client:
                found = [
                    *((engine.CONTAINER, item["Names"][0].lstrip("/"), item) for item in engine.containers(client)),
                    *((engine.NETWORK, item["Name"], item) for item in engine.networks(client)),
                ]
        except PlatformError as exc:
            logger.info("no orphans are looked for: %s", exc)
            return []
        return [
            Resource(kind, name, platform=self.name, run_id=labels[RUN_TAG], provider_id=item["Id"], tags=labels)
            for kind, name, item in found
            if engine.is_orphan(labels := item["Labels"]) and are_ours(labels, self.name)
        ]

    def remove(self, resource: Resource) -> None:
        """Remove a network with its containers, or one container. A function is gone with its containers."""
        if resource.kind == engine.NETWORK:
            with self._engine() as client:
                engine.remove_network(client, resource.name)
        elif resource.kind == engine.CONTAINER:
            with self._engine() as client:
                engine.remove_container(client, resource.provider_id or resource.name)

    @contextmanager
    def _engine(self) -> Iterator[Any]:
        """Lend the client of an open platform, or one for the moment."""
        with engine.answering():
            if self._connection is not None:
                yield self._connection
                return
            client = engine.connect()
            try:
                yield client
            finally:
                client.close()

    def _unpack(self, package: Package) -> Path:
        """Unpack a package so that the user inside may read it, whatever the umask is here."""
        root = super()._unpack(package)
        if self.owner is not None and root.stat().st_uid != self.owner:
            for path in (*root.rglob("*"), root):
                os.chown(path, self.owner, self.owner)
        return root

    def _command(self, language: str) -> tuple[str, ...]:
        """Return the command of the bootstrap, with the image's interpreters in the place of this machine's."""
        words = self.language(language).command(Path(PACKAGE))
        return tuple(images.inside().get(word, word) for word in words)

    def _open(self) -> None:
        """Make the base image, the network and the gateway."""
        self._connection = engine.connect()
        self._image()
        name, device = self.context.name("network", _NETWORK), self.context.name("bridge", _BRIDGE)
        with self.ledger.creating(engine.NETWORK, name) as creation:
            self._network = name
            creation.provider_id, address = engine.create_network(
                self._connection, name, device, self._labels(), internal=not self.settings.internet
            )
        gateway = Gateway(
            launcher.NAME,
            {
                "host": address,
                "device": device,
                "run": self.context.run_id.lower(),
                "cpu_boost_at_init": self.settings.cpu_boost_at_init,
            },
            self.workdir / _LOG,
            port=self.settings.port,
            payload_bytes=self.payload_bytes,
            passes=engine.VARIABLES,
        )
        gateway.start()
        self._gateway = gateway

    def _labels(self) -> dict[str, str]:
        owner = owner_of(os.getpid())
        assert owner is not None
        return {**self.context.tags, engine.OWNER: owner, engine.ON: self._network}

    def _image(self) -> images.Base:
        """Return the image named, or the base image, made if need be."""
        if self._base is None:
            (architecture,) = self.architectures
            with self._engine() as client:
                if self.settings.image:
                    self._base = images.named(client, self.settings.image, architecture)
                else:
                    self._base = images.base_image(client, architecture, HOST_ARCHITECTURE)
        return self._base

    def _contents(self) -> images.Contents:
        if self._probed is None:
            image = self._image()
            with self._engine() as client:
                self._probed = images.contents(client, image, self._labels())
        return self._probed

    def _mold(self, target: Target, root: Path, config: FunctionConfig) -> Mold:
        user = self.owner if self.owner is not None else os.getuid()
        group = self.owner if self.owner is not None else os.getgid()
        return Mold(
            self._image().id,
            self._command(target.language),
            str(root),
            str(self.shared),
            self._network,
            f"{user}:{group}",
            self.settings.tmp_mib,
            self._labels(),
        )


class DockerArmPlatform(DockerPlatform):
    """aarch64 on the engine of this machine: as it is where the processor is one, else through qemu.

    Emulated, it is another processor to test and to model, never a measure of ARM's speed; `effective` says which.
    """

    name = "docker-arm"
    summary = "aarch64 containers, through qemu where this machine is not ARM: right results, not ARM's speed"
    architectures: ClassVar[tuple[str, ...]] = ("arm64",)
