"""How many processors a running sandbox has, changed while it serves."""

from __future__ import annotations

import socket
from typing import Any

from sebsx.errors import UnsupportedError
from sebsx.system.lazy import require

_PERIOD_US = 100_000


class Processors:
    """The processors of one sandbox: of a container by `docker update`, of a process by its own affinity.

    Args:
        host: Name of the machine as the sandbox sees it, which in a container is the container's.
    """

    def __init__(self, host: str) -> None:
        self._host = host

    @property
    def inside(self) -> bool:
        """Whether the sandbox has to do it itself: it is a process of this machine."""
        return self._host == socket.gethostname()

    def set(self, processors: int) -> None:
        """Give it so many, live.

        Raises:
            UnsupportedError: If the engine does not do it.
        """
        if self.inside:
            return
        docker: Any = require("docker", extra="docker")
        client = docker.from_env()
        try:
            client.api.update_container(self._host, cpu_period=_PERIOD_US, cpu_quota=processors * _PERIOD_US)
        except (docker.errors.DockerException, OSError) as exc:
            raise UnsupportedError(f"the processors of container {self._host!r} cannot be changed: {exc}") from exc
        finally:
            client.close()
