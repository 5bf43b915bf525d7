"""The platform `local`: the same packages as everywhere, run as processes of this machine."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sebsx.errors import PlatformError, UnsupportedError
from sebsx.model import Capability, FunctionConfig, Problem, Resource, Severity, Target
from sebsx.sandboxes import Gateway
from sebsx.sandboxes.platforms import GatewayPlatform, host_binaries
from sebsx.sandboxes.trees import Trees
from sebsx.system.processes import end_all, is_alive
from sebsx_local import cgroups, launcher, sweep
from sebsx_local.settings import LocalSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Package

logger = logging.getLogger(__name__)


class LocalPlatform(GatewayPlatform[LocalSettings]):
    """This machine."""

    name = "local"
    also_called = ("localhost",)
    summary = "processes of this machine behind a loopback gateway; no account, root or Docker needed"
    default = True
    Settings = LocalSettings
    capabilities: ClassVar[frozenset[Capability]] = GatewayPlatform.capabilities | {Capability.SHARED_MEMORY}

    def __init__(self, settings: LocalSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._trees = Trees(self.workdir / "packages")

    def __enter__(self) -> Self:
        self.workdir.mkdir(parents=True, exist_ok=True)
        for resource in self.orphans():
            logger.info("removing %s %s of a gateway that ended", resource.kind, resource.name)
            self.remove(resource)
        gateway = Gateway(
            launcher.NAME,
            {
                "workdir": str(self.workdir),
                "run": self.context.run_id,
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
            sweep.write_marker(self.workdir, gateway.owner, self.context.run_id)
        self._gateway = gateway
        return self

    def __exit__(self, *_exc: object) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.stop()
            self._trees.close()
            self.ledger.deleted("gateway", f"gateway-{self.workdir.name}")
            sweep.clear(gateway.owner)  # nothing, unless the gateway was killed
        sweep.remove_workdir(self.workdir)

    def caveats(self) -> Sequence[Problem]:
        """Say whether memory and processors can be limited as on a cloud; looks and makes nothing."""
        if self.settings.limits in ("auto", "cgroup") and not cgroups.may_limit():
            return [
                Problem(
                    "no control groups here: the processor of a function does not follow its memory, and no size "
                    "can be recommended",
                    advice="run as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes sebsx ...",
                    severity=Severity.WARNING,
                )
            ]
        return ()

    def target(self, language: str, architecture: str) -> Target:
        """Return this machine: its architecture, and the version of the language that it runs."""
        if architecture not in self.architectures:
            raise UnsupportedError(
                f"platform 'local' is {self.architectures[0]!r} and cannot run {architecture!r}; choose another one"
            )
        version = self.language(language).host_version()
        if version is None:
            raise UnsupportedError(f"this machine cannot run {language!r}: its interpreter was not found")
        return Target(language, version, architecture=architecture, binaries=host_binaries())

    def prepare(self, package: Package) -> None:
        """Unpack and compile a package into the cache."""
        self._trees.prepare(package, self.language(package.target.language))

    def sandboxes(self, target: Target, root: Path, config: FunctionConfig) -> Mapping[str, Any]:
        """Return the command of a process and the folder in which it starts."""
        return {"command": list(self.language(target.language).command(root)), "root": str(root)}

    def effective(self, target: Target, config: FunctionConfig, limits: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the processors in force, and which limits are not.

        Raises:
            UnsupportedError: If processors were asked for, and there are no control groups to limit them.
        """
        machine, wanted = float(os.cpu_count() or 1), self.cpus(config)
        memory = ["memory"] if limits["memory"] == "none" else []
        if wanted < machine and limits["cpu"].startswith("none"):
            if "vcpu" in config.options:
                raise UnsupportedError(f"vcpu {wanted:g} needs control groups, which this user may not make here")
            return {"vcpu": machine, "unenforced": ["cpu", *memory]}
        return {"vcpu": min(machine, wanted), **({"unenforced": memory} if memory else {})}

    def orphans(self) -> Sequence[Resource]:
        """Return processes, control groups and working directories of gateways that no longer run."""
        return [
            Resource(leftover.kind, leftover.name, platform=self.name, run_id=leftover.run, provider_id=leftover.owner)
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

    def _unpack(self, package: Package) -> Path:
        """Borrow the package as an earlier run prepared it, for this run alone."""
        return self._trees.lend(package, self.language(package.target.language))


def _end(owner: str) -> None:
    """Kill a gateway that still runs; its sandboxes are cleared by its own sweeper or by us."""
    if is_alive(owner):
        pid = int(owner.partition(":")[0])
        end_all(lambda: [pid] if is_alive(owner) else [])
