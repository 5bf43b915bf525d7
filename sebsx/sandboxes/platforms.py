"""What platforms on this machine have in common: packages unpacked here, sandboxes behind a gateway, files shared."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import re
import shutil
from abc import abstractmethod
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sebsx.contracts.platforms import Platform
from sebsx.contracts.prices import Billing, OwnPrices
from sebsx.errors import DeployError, PlatformError, SebsxError, UnsupportedError
from sebsx.model import (
    Between,
    Capability,
    Deployment,
    FunctionConfig,
    OneOf,
    Option,
    Package,
    ProviderRecord,
    Reply,
    StartType,
    Status,
    Target,
)
from sebsx.model.options import MAX_INSTANCES, VCPU
from sebsx.sandboxes.files import FileStorage
from sebsx.sandboxes.keepalive import own_seed
from sebsx.sandboxes.launcher import cpu_share
from sebsx.sandboxes.pool import PoolConfig
from sebsx.sandboxes.settings import GatewaySettings
from sebsx.sandboxes.trees import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.storage import Storage
    from sebsx.model import Scalar
    from sebsx.sandboxes.client import Gateway

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_WRAPPERS = {".py": "sebsx_wrapper.py", ".cjs": "sebsx_wrapper.cjs"}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_STATUSES = {status.value: status for status in Status}
_STARTS = {start.value: start for start in StartType}
_SMALLEST_MIB = 32

HOST_ARCHITECTURE = _MACHINES.get(platform.machine().lower(), platform.machine().lower())

S = TypeVar("S", bound=GatewaySettings)


class GatewayPlatform(Platform[S]):
    """A platform whose sandboxes are ours.

    A subclass opens `self._gateway` in `__enter__`, closes it in `__exit__`, and says in `sandboxes` what a
    sandbox of a deployment is made of.

    Class attributes:
        inside: Where functions see the folder that they share; None where they see it as it is here.
        owner: User number to whom folders made by the driver belong; None for the driver's own.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD,
            Capability.RECORDS,
            Capability.STORAGE,
            Capability.TABLE,
            Capability.KEEP_ALIVE_POLICY,
            Capability.COLOCATED,
        }
    )
    architectures: ClassVar[tuple[str, ...]] = (HOST_ARCHITECTURE,)
    memory_mib: ClassVar[Between | OneOf] = Between(
        _SMALLEST_MIB, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    )
    options: ClassVar[tuple[Option, ...]] = (
        VCPU.offered(Between(0.05, float(os.cpu_count() or 1), step=0.01)),
        MAX_INSTANCES.offered(Between(0, math.inf), default=100),
    )
    timeout_s: ClassVar[float] = 86400.0
    inside: ClassVar[str | None] = None
    owner: int | None = None

    def __init__(self, settings: S, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._gateway: Gateway | None = None
        self._unpacked: dict[str, tuple[Target, Path]] = {}  # deployment -> its package

    @abstractmethod
    def sandboxes(self, target: Target, root: Path, config: FunctionConfig) -> Mapping[str, Any]:
        """Return the launcher's words for a deployment of the package that is unpacked at `root`."""

    @abstractmethod
    def effective(self, target: Target, config: FunctionConfig, limits: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the configuration in force; `limits` is what the launcher says."""

    def cpus(self, config: FunctionConfig) -> float:
        """Return the processors of each sandbox: those asked for, else those that go with the memory."""
        wanted = self.option(config, "vcpu")
        return cpu_share(config.memory_mib) if wanted is None else float(wanted)

    @property
    def shared(self) -> Path:
        """The folder that driver and functions share."""
        return self.workdir

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Unpack the package, once per package, and tell the gateway of the deployment."""
        config = self.offered(config)
        self._check(package.target, config)
        with self.ledger.creating("function", config.name) as creation:
            self._unpacked[config.name] = (package.target, self._unpack(package))
            try:
                deployment = self._deploy(config)
            except SebsxError:
                self.gateway.remove(config.name)
                raise
            creation.provider_id = deployment.id
        return deployment

    def teardown(self, deployment: Deployment) -> None:
        """End the sandboxes of a deployment; returns when they are gone."""
        if self._gateway is not None:
            self._gateway.remove(deployment.config.name)
        self.ledger.deleted("function", deployment.config.name)

    def status_of(self, reply: Reply) -> Status:
        """Return what the gateway says."""
        said = _STATUSES.get(reply.headers.get("x-sebsx-status", ""))
        return said or super().status_of(reply)

    def force_cold(self, deployment: Deployment) -> None:
        """See to it that no existing sandbox gets another invocation; returns when the idle ones are gone."""
        self.gateway.force_cold(deployment.config.name)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what the gateway recorded."""
        found = self.gateway.records(deployment.config.name, request_ids)
        return {request_id: self._record(deployment, request_id, record) for request_id, record in found.items()}

    def output_of(self, deployment: Deployment, reply: Reply) -> str:
        """Return what the sandbox that answered printed last."""
        return self.gateway.log(deployment.config.name, reply.headers.get("x-sebsx-sandbox", ""))

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return the user's own prices, where there are any."""
        gb_s_usd, invocation_usd = self.settings.price_per_gb_s_usd, self.settings.price_per_request_usd
        own = None if gb_s_usd is None else OwnPrices(gb_s_usd=gb_s_usd, invocation_usd=invocation_usd or 0.0)
        return dataclasses.replace(super().billing(options), own=own)

    def storage(self) -> Storage:
        """Return files below the shared folder."""
        return FileStorage(self.shared / "storage", self.owner)

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the client of storage and table for that language."""
        name = _WRAPPERS.get(self.language(language).wrapper_suffix)
        return {} if name is None else {name: (files("sebsx") / "sandboxes" / "wrapper" / name).read_bytes()}

    @property
    def gateway(self) -> Gateway:
        """The running gateway.

        Raises:
            PlatformError: If the platform is not open.
        """
        if self._gateway is None:
            raise PlatformError(f"platform {self.name!r} is not open; use it in a `with` block")
        return self._gateway

    def _record(self, deployment: Deployment, request_id: str, record: Mapping[str, Any]) -> ProviderRecord:
        return ProviderRecord(
            request_id,
            duration_s=record["duration_s"],
            init_s=record["init_s"],
            billed_s=record["billed_s"],
            max_memory_bytes=record["max_memory_bytes"],
            status=_STATUSES[record["status"]],
            sandbox_id=record["sandbox"],
            start_type=_STARTS[record["start"]],
        )

    def _check(self, target: Target, config: FunctionConfig) -> None:
        if target.architecture not in self.architectures:
            raise UnsupportedError(f"a package for {target.architecture!r} cannot run on {self.architectures[0]!r}")
        version = self.target(target.language, target.architecture).version
        if target.version != version:
            raise UnsupportedError(f"a package for {target.language} {target.version} cannot run on {version}")
        if not _NAME.fullmatch(config.name):
            raise DeployError(f"{config.name!r} cannot be a name here; use letters, digits, '.', '_' and '-'")

    def _deploy(self, config: FunctionConfig) -> Deployment:
        settings = self.settings
        target, root = self._unpacked[config.name]
        shared = self.inside or str(self.shared)
        limits = self.gateway.deploy(
            PoolConfig(
                config.name,
                config.memory_mib,
                config.timeout_s,
                settings.init_timeout_s,
                self.option(config, "max_instances"),
                settings.keep_alive_policy,
                settings.keep_alive_s,
                own_seed(settings.keep_alive_seed, list(self._unpacked).index(config.name)),
                {
                    **config.environment,
                    "SEBSX_STORAGE_ROOT": f"{shared}/storage",
                    "SEBSX_TABLE_FILE": f"{shared}/table.sqlite",
                },
                self.sandboxes(target, root, config),
                self.option(config, "vcpu"),
            )
        )
        effective = {
            "memory_mib": config.memory_mib,
            "timeout_s": config.timeout_s,
            "architecture": target.architecture,
            "runtime": f"{target.language} {target.version}",
            "limits": limits,
            "max_instances": self.option(config, "max_instances"),
            **self.effective(target, config, limits),
        }
        return Deployment(config.name, config, effective=effective, endpoint=self.gateway.endpoint(config.name))

    def _unpack(self, package: Package) -> Path:
        """Unpack a package and let its language prepare it, once per package."""
        root = self.workdir / "packages" / package.sha256[:32]
        if root.exists():
            return root
        partial = root.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            unpack(package, self.language(package.target.language), partial)
        except OSError as exc:
            raise DeployError(f"package {str(package.path)!r} cannot be unpacked: {exc}") from exc
        partial.rename(root)
        return root


def host_binaries() -> str:
    """Return the newest binary interface that wheels are built for and this machine has; empty for its own."""
    library, version = platform.libc_ver()
    return binaries_of(version) if library == "glibc" else ""


def binaries_of(glibc: str) -> str:
    """Return the same for a version of glibc (`2.36`)."""
    major, _, minor = glibc.partition(".")
    return "manylinux_2_28" if (int(major), int(minor)) >= (2, 28) else "manylinux2014"
