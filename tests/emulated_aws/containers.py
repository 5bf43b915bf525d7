"""Sandboxes of functions that are images: containers in which the image's own entry point is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sebsx.sandboxes.launcher import SandboxSpec
from sebsx_docker import engine
from sebsx_docker.launcher import DockerLauncher
from tests.emulated_aws.registry import USER, Registry

LAUNCHER = f"{__name__}:ImageLauncher"
# The Runtime API listens where functions of the account find AWS, too.
OPTIONS = {"host": "127.0.0.1", "device": "lo", "run": "emulated-aws", "cpu_boost_at_init": True}
LABEL = "sebsx-tests.emulated-aws"


class ImageLauncher(DockerLauncher):
    """Starts containers of an image on this machine's network; the option of each deployment is `image`."""

    def _start(self, spec: SandboxSpec, environment: Mapping[str, str]) -> tuple[str, Any, int]:
        container = self.client.create_container(
            spec.options["image"],
            name=f"sebsx-emulated-aws-{spec.id[:12]}",
            environment=dict(environment),
            labels={LABEL: self.owner},
            user="65534:65534",  # as on Lambda, one that owns nothing of it
            host_config=self.client.create_host_config(
                network_mode="host",
                mem_limit=spec.memory_mib * 2**20,
                memswap_limit=spec.memory_mib * 2**20,
                read_only=True,
                tmpfs={"/tmp": "rw,exec,nosuid,nodev,size=512m,mode=1777"},
                cap_drop=["ALL"],
                log_config={"Type": "none"},
            ),
        )["Id"]
        try:
            output = self.client.attach_socket(container, params={"stdout": 1, "stderr": 1, "stream": 1})
            self.client.start(container)
            return container, output, int(self.client.inspect_container(container)["State"]["Pid"])
        except OSError:
            engine.remove_container(self.client, container)
            raise


class Images:
    """Images of the account on this machine's engine, pulled from its registry.

    Args:
        registry: Where they are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._client: Any = None
        self._pulled: set[str] = set()  # URIs

    def pull(self, uri: str) -> str:
        """Return the id of an image on the engine, which has it from now on."""
        if self._client is None:
            self._client = engine.connect()
        if uri not in self._pulled:
            login = {"username": USER, "password": self._registry.password}
            for line in self._client.pull(uri, auth_config=login, stream=True, decode=True):
                assert "error" not in line, line
            self._pulled.add(uri)
        return str(self._client.inspect_image(uri)["Id"])

    def clear(self) -> None:
        """Remove what was pulled; nothing may run of it."""
        while self._pulled:
            self._client.remove_image(self._pulled.pop(), force=True)

    def close(self) -> None:
        """Remove what was pulled and leave the engine."""
        self.clear()
        if self._client is not None:
            self._client.close()
