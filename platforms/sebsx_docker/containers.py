"""What a sandbox is to the engine: one container, described once for what is started and what is read back."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sebsx.sandboxes.launcher import quota

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "/var/task"  # as on AWS Lambda
SHARED = "/var/sebsx"
PIDS_MAX = 1024  # processes and threads, as in AWS Lambda
# A function as process number 1 would not feel its own signals, and nobody would reap its orphans.
_FIRST = ("/bin/sh", "-c", '"$@"; exit $?', "sebsx")


@dataclass(frozen=True, slots=True)
class Mold:
    """What the containers of one deployment have in common.

    Args:
        image: Id.
        command: What starts the bootstrap.
        package: Folder of the package on this machine.
        shared: Folder that driver and functions share, on this machine.
        network: The run's.
        user: `uid:gid`.
        tmp_mib: Size of `/tmp`.
        labels: On every container.
    """

    image: str
    command: tuple[str, ...]
    package: str
    shared: str
    network: str
    user: str
    tmp_mib: int
    labels: Mapping[str, str]

    def told(self) -> dict[str, Any]:
        """Return it for the launcher, which makes it again by `Mold(**told)`."""
        return asdict(self)

    def create(
        self, client: Any, name: str, memory_mib: int, environment: Mapping[str, str], cpus: float | None
    ) -> tuple[str, list[str]]:
        """Create a container, with so many processors or no limit of them; return its id and the engine's warnings.

        Raises:
            OSError: If the engine refuses (`docker.errors.APIError` is one).
        """
        answer = client.create_container(
            self.image,
            [*_FIRST, *self.command],
            name=name,
            entrypoint=[],
            environment={"HOME": "/tmp", "TMPDIR": "/tmp", **environment},  # noqa: S108  # of the container
            labels=dict(self.labels),
            user=self.user,
            working_dir=PACKAGE,
            host_config=client.create_host_config(
                binds=[f"{self.package}:{PACKAGE}:ro", f"{self.shared}:{SHARED}:rw"],
                network_mode=self.network,
                mem_limit=memory_mib * 2**20,
                memswap_limit=memory_mib * 2**20,
                pids_limit=PIDS_MAX,
                read_only=True,
                tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={self.tmp_mib}m,mode=1777"},  # noqa: S108  # of the container
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                log_config={"Type": "none"},  # what it prints goes to the gateway, and nowhere else
                **({} if cpus is None else cpu_limit(cpus)),
            ),
        )
        return str(answer["Id"]), list(answer.get("Warnings") or ())


def cpu_limit(cpus: float) -> dict[str, int]:
    """Return the limit that gives so many processors, empty where this machine has no more."""
    if cpus >= (os.cpu_count() or 1):
        return {}
    quota_us, period_us = quota(cpus)
    return {"cpu_quota": quota_us, "cpu_period": period_us}


def cpus_of(inspected: Mapping[str, Any]) -> float:
    """Return the processors that the engine reports of a container: this machine's where it has no limit."""
    config = inspected["HostConfig"]
    return round(config["CpuQuota"] / config["CpuPeriod"], 3) if config["CpuPeriod"] else float(os.cpu_count() or 1)


def limits_of(inspected: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits that the engine reports of a container."""
    config = inspected["HostConfig"]
    cpus = config["CpuQuota"] / config["CpuPeriod"] if config["CpuPeriod"] else None
    swap = "no swap" if config["MemorySwap"] == config["Memory"] else "and swap"
    return {
        "memory": f"docker {config['Memory'] // 2**20} MiB, {swap}",
        "cpu": f"none, {os.cpu_count()} vCPU" if cpus is None else f"docker {cpus:.3f} vCPU",
        "processes": f"docker {config['PidsLimit']}",
    }
