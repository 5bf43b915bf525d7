"""The platform `local`: the same packages as everywhere, run as processes of this machine."""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
import re
import shutil
import sys
import zipfile
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sebsx.errors import DeployError, PlatformError, UnsupportedError
from sebsx.gateway import Gateway
from sebsx.gateway.owners import is_alive
from sebsx.gateway.pool import PoolConfig
from sebsx.model import Capability, Deployment, FunctionConfig, Package, ProviderRecord, Reply, Resource, Status, Target
from sebsx.platforms import Platform
from sebsx_local import launcher, sweep
from sebsx_local.processes import kill_all
from sebsx_local.settings import LocalSettings
from sebsx_local.storage import FileStorage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.storage import Storage

logger = logging.getLogger(__name__)

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_SMALLEST_MIB = 32
_WRAPPERS = {"python": "sebsx_wrapper.py", "nodejs": "sebsx_wrapper.cjs"}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class LocalPlatform(Platform[LocalSettings]):
    """This machine."""

    name = "local"
    summary = "processes of this machine behind a loopback gateway; no account, root or Docker needed"
    default = True
    Settings = LocalSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD,
            Capability.RESIZE,
            Capability.RECORDS,
            Capability.STORAGE,
            Capability.TABLE,
            Capability.KEEP_ALIVE_POLICY,
        }
    )
    architectures: ClassVar[tuple[str, ...]] = (_MACHINES.get(platform.machine().lower(), platform.machine().lower()),)
    memory_mib: ClassVar[tuple[int, int]] = (
        _SMALLEST_MIB,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    )
    timeout_s: ClassVar[float] = 86400.0

    def __init__(self, settings: LocalSettings, workdir: Path) -> None:
        super().__init__(settings, workdir)
        self._gateway: Gateway | None = None
        self._warned = False
        self._unpacked: dict[str, tuple[str, Path]] = {}  # deployment -> language and folder of its package

    def __enter__(self) -> Self:
        self.workdir.mkdir(parents=True, exist_ok=True)
        for resource in self.orphans():
            logger.info("removing %s %s of a gateway that ended", resource.kind, resource.name)
            self.remove(resource)
        gateway = Gateway(
            launcher.NAME,
            {
                "workdir": str(self.workdir),
                "limits": self.settings.limits,
                "cpu_boost_at_init": self.settings.cpu_boost_at_init,
            },
            self.workdir / "gateway.log",
            port=self.settings.port,
            payload_bytes=self.payload_bytes,
        )
        with self.ledger.creating("gateway", f"gateway-{self.workdir.name}") as creation:
            gateway.start()
            creation.provider_id = gateway.owner
            sweep.write_marker(self.workdir, gateway.owner)
        self._gateway = gateway
        return self

    def __exit__(self, *_exc: object) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.stop()
            self.ledger.deleted("gateway", f"gateway-{self.workdir.name}")
            sweep.clear(gateway.owner)  # nothing, unless the gateway was killed
        sweep.remove_workdir(self.workdir)

    def target(self, language: str, architecture: str) -> Target:
        """Return this machine: its architecture, and the version of the language that it runs."""
        if architecture not in self.architectures:
            raise UnsupportedError(
                f"platform 'local' is {self.architectures[0]!r} and cannot run {architecture!r}; choose another one"
            )
        version = self.language(language).host_version()
        if version is None:
            raise UnsupportedError(f"this machine cannot run {language!r}: its interpreter was not found")
        return Target(language, version, architecture, _binaries())

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Unpack the package, once per package, and tell the gateway of the deployment."""
        self._check(package.target, config)
        with self.ledger.creating("function", config.name) as creation:
            self._unpacked[config.name] = (package.target.language, self._unpack(package))
            deployment = self._deploy(config, *self._unpacked[config.name])
            creation.provider_id = deployment.id
        return deployment

    def teardown(self, deployment: Deployment) -> None:
        """End the sandboxes of a deployment; returns when they are gone."""
        if self._gateway is not None:
            self._gateway.remove(deployment.config.name)
        self.ledger.deleted("function", deployment.config.name)

    def status_of(self, reply: Reply) -> Status:
        """Return what the gateway says."""
        said = reply.headers.get("x-sebsx-status")
        return Status(said) if said else super().status_of(reply)

    def force_cold(self, deployment: Deployment) -> None:
        """See to it that no existing sandbox gets another invocation."""
        self._running.force_cold(deployment.config.name)

    def resize(self, deployment: Deployment, memory_mib: int) -> Deployment:
        """Change the memory; the next invocation is cold."""
        config = dataclasses.replace(deployment.config, memory_mib=memory_mib)
        self._check_memory(memory_mib)
        return self._deploy(config, *self._unpacked[config.name])

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what the gateway recorded."""
        found = self._running.records(deployment.config.name, request_ids)
        return {request_id: self._record(deployment, request_id, record) for request_id, record in found.items()}

    def estimate_usd(self, memory_mib: int, architecture: str, duration_s: float, init_s: float = 0.0) -> float | None:
        """Return the cost by the user's own prices; initialisation is not billed here."""
        return self._cost_usd(duration_s, memory_mib)

    def storage(self) -> Storage:
        """Return files below the working directory."""
        return FileStorage(self.workdir / "storage")

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the client of storage and table for that language."""
        name = _WRAPPERS.get(language)
        return {} if name is None else {name: (files("sebsx_local") / "wrapper" / name).read_bytes()}

    def orphans(self) -> Sequence[Resource]:
        """Return processes, control groups and working directories of gateways that no longer run."""
        return [
            Resource(leftover.kind, leftover.name, self.name, "", provider_id=leftover.owner)
            for leftover in sweep.leftovers(self.workdir.parent)
        ]

    def remove(self, resource: Resource) -> None:
        """End what is left of a gateway. A function is gone with its gateway."""
        owner = resource.provider_id
        if owner is None or resource.kind == "function":
            return
        if resource.kind == "gateway":
            _end(owner)
            sweep.clear(owner)
        elif not sweep.remove(sweep.Leftover(resource.kind, resource.name, owner)):
            raise PlatformError(f"{resource.kind} {resource.name!r} cannot be removed; is its gateway {owner!r} alive?")

    @property
    def _running(self) -> Gateway:
        if self._gateway is None:
            raise PlatformError("platform 'local' is not open; use it in a `with` block")
        return self._gateway

    def _record(self, deployment: Deployment, request_id: str, record: Mapping[str, Any]) -> ProviderRecord:
        billed_s = record["billed_s"]
        cost_usd = None if billed_s is None else self._cost_usd(billed_s, deployment.config.memory_mib)
        return ProviderRecord(
            request_id,
            record["duration_s"],
            record["init_s"],
            billed_s,
            record["max_memory_bytes"],
            Status(record["status"]),
            record["sandbox"],
            cost_usd,
        )

    def _cost_usd(self, billed_s: float, memory_mib: int) -> float | None:
        """Return what the user's own prices make of it, None where there are none."""
        if self.settings.price_per_gb_s_usd is None:
            return None
        return billed_s * memory_mib / 1024 * self.settings.price_per_gb_s_usd + (
            self.settings.price_per_request_usd or 0.0
        )

    def _check(self, target: Target, config: FunctionConfig) -> None:
        self._check_memory(config.memory_mib)
        if target.architecture not in self.architectures:
            raise UnsupportedError(f"a package for {target.architecture!r} cannot run on {self.architectures[0]!r}")
        version = self.language(target.language).host_version()
        if target.version != version:
            raise UnsupportedError(f"a package for {target.language} {target.version} cannot run on {version}")
        if not _NAME.fullmatch(config.name):
            raise DeployError(f"{config.name!r} cannot be a name here; use letters, digits, '.', '_' and '-'")

    def _check_memory(self, memory_mib: int) -> None:
        low, high = self.memory_mib
        if not low <= memory_mib <= high:
            raise UnsupportedError(f"{memory_mib} MiB is not possible here; choose from {low} to {high} MiB")

    def _deploy(self, config: FunctionConfig, language: str, root: Path) -> Deployment:
        settings = self.settings
        limits = self._running.deploy(
            PoolConfig(
                config.name,
                config.memory_mib,
                config.timeout_s,
                settings.init_timeout_s,
                settings.max_concurrency,
                settings.keep_alive_policy,
                settings.keep_alive_s,
                settings.keep_alive_seed,
                {
                    **config.environment,
                    "SEBSX_STORAGE_ROOT": str(self.workdir / "storage"),
                    "SEBSX_TABLE_FILE": str(self.workdir / "table.sqlite"),
                },
                {"command": list(self.language(language).command(root)), "root": str(root)},
            )
        )
        self._warn_of(limits)
        effective = {
            "memory_mib": config.memory_mib,
            "timeout_s": config.timeout_s,
            "architecture": self.architectures[0],
            "runtime": f"{language} {self.language(language).host_version()}",
            "limits": limits,
        }
        return Deployment(config.name, config, effective, self._running.endpoint(config.name))

    def _warn_of(self, limits: Mapping[str, str]) -> None:
        """Say once where provisioned memory does not decide what a sandbox gets."""
        if self.settings.limits == "auto" and not limits["memory"].startswith("cgroup") and not self._warned:
            self._warned = True
            logger.warning(
                "no control groups here: sandboxes are limited by %s, and their CPU share does not follow memory; "
                "run as root or in a delegated group (systemd-run --user --scope -p Delegate=yes)",
                limits["memory"],
            )

    def _unpack(self, package: Package) -> Path:
        """Unpack a package and let its language prepare it, once per package."""
        root = self.workdir / "packages" / package.sha256[:32]
        if root.exists():
            return root
        partial = root.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with zipfile.ZipFile(package.path) as archive:
                archive.extractall(partial)
        except (OSError, zipfile.BadZipFile) as exc:
            raise DeployError(f"package {str(package.path)!r} cannot be unpacked: {exc}") from exc
        partial.rename(root)
        self.language(package.target.language).prepare(root)
        return root


def _end(owner: str) -> None:
    """Kill a gateway that still runs; its sandboxes are cleared by its own sweeper or by us."""
    if is_alive(owner):
        pid = int(owner.partition(":")[0])
        kill_all(lambda: [pid] if is_alive(owner) else [])


def _binaries() -> str:
    """Return the newest binary interface that wheels are built for and this machine has; empty for its own."""
    library, version = platform.libc_ver()
    if sys.platform != "linux" or library != "glibc":
        return ""
    major, _, minor = version.partition(".")
    return "manylinux_2_28" if (int(major), int(minor)) >= (2, 28) else "manylinux2014"
