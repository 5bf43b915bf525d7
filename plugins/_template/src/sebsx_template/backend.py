"""The platform `one-shot`: every invocation gets a fresh process on this machine, so every start is cold."""

from __future__ import annotations

import os
import platform
import shutil
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.contracts.platforms import Platform
from sebsx.errors import DeployError, UnsupportedError
from sebsx.model import Between, Capability, Deployment, Option, Reply, Target
from sebsx.settings import setting
from sebsx_template.runtime_api import run_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import FunctionConfig, Package, Resource

_HERE = {"x86_64": "x86_64", "amd64": "x86_64"}.get(platform.machine().lower(), "arm64")
_NICENESS = Option(
    name="niceness",
    kind=int,
    unit="steps",
    help="how much its processes yield to others",
    offer=Between(0, 19),
    default=0,
)
_FOLDER = "folder"  # the one kind of resource this platform creates


@dataclass(frozen=True)
class OneShotSettings:
    """Settings of the platform `one-shot`."""

    keep_folders: bool = setting(False, help="leave the folders of functions behind, to look into them")


class OneShotPlatform(Platform[OneShotSettings]):
    """Unpacks a package into the working directory and starts it once per invocation."""

    name = "one-shot"
    summary = "a fresh process on this machine for every invocation"
    Settings = OneShotSettings
    capabilities = frozenset({Capability.FORCE_COLD})
    architectures = (_HERE,)
    one_at_a_time = True  # `invoke` returns when the function has: bursts and load are unsupported
    memory_mib = Between(16, 65536)
    options = (_NICENESS,)

    def __init__(self, settings: OneShotSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._commands: dict[str, Sequence[str]] = {}

    def target(self, language: str, architecture: str) -> Target:
        """Return what this machine runs natively."""
        version = self.language(language).host_version()
        if version is None or architecture not in self.architectures:
            raise UnsupportedError(f"platform {self.name!r} does not run {language!r} on {architecture!r}")
        return Target(language, version, architecture=architecture)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Unpack the package into a folder of its own, which is written down before it is made."""
        folder = self.workdir / config.name
        with self.ledger.creating(_FOLDER, str(folder)) as creation:
            creation.provider_id = str(folder)
            try:
                folder.mkdir(parents=True)
                with zipfile.ZipFile(package.path) as archive:
                    archive.extractall(folder)
            except OSError as exc:
                raise DeployError(f"package cannot be unpacked into {str(folder)!r}: {exc}") from exc
        self._commands[str(folder)] = self.language(package.target.language).command(folder)
        effective = {
            "memory_mib": config.memory_mib,
            "timeout_s": config.timeout_s,
            "architecture": _HERE,
            "niceness": self.option(config, "niceness"),
            "limits": "none",
        }
        return Deployment(str(folder), config, effective=effective)

    def teardown(self, deployment: Deployment) -> None:
        """Delete the folder, unless it is to be kept."""
        if not self.settings.keep_folders:
            shutil.rmtree(deployment.id, ignore_errors=True)
        self.ledger.deleted(_FOLDER, deployment.id)

    def remove(self, resource: Resource) -> None:
        """Delete a folder that a dead run left."""
        shutil.rmtree(resource.name, ignore_errors=True)

    def force_cold(self, deployment: Deployment) -> None:
        """Do nothing: the next start is cold in any case."""

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply:
        """Start the function, hand it the event, and return its answer as if it had come over HTTP."""
        config, request_id = deployment.config, uuid.uuid4().hex
        environment = os.environ | config.environment | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mib)}
        sent_s = time.time()
        http_status, body = run_once(
            ["nice", "-n", str(self.option(config, "niceness")), *self._commands[deployment.id]],
            payload,
            request_id=request_id,
            timeout_s=min(config.timeout_s, timeout_s),
            environment=environment,
            folder=Path(deployment.id),
        )
        done_s = time.time()
        return Reply(
            request_id=request_id,
            intended_s=sent_s,
            sent_s=sent_s,
            connected_s=sent_s,
            first_byte_s=done_s,
            done_s=done_s,
            http_status=http_status,
            headers={},
            body=body,
            bytes_out=len(payload),
        )
