"""Replicas in containers of the Docker engine of this machine: the image's own watchdog answers."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time

LABEL = "sebsx-tests.emulated-openfaas"
_STARTS_S = 30.0


class ContainerReplica:
    """One container of an image, on this machine's network.

    Args:
        image: Its name.
        environment: Variables beside those of the image.
    """

    def __init__(self, image: str, environment: dict[str, str]) -> None:
        self.log: list[tuple[float, str]] = []
        self._port, upstream = _free_port(), _free_port()
        own = {"port": str(self._port), "upstream_url": f"http://127.0.0.1:{upstream}"}
        words = [word for item in {**environment, **own}.items() for word in ("-e", "=".join(item))]
        command = ["docker", "run", "-d", "--label", f"{LABEL}=1", "--network", "host", *words, image]
        self._name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def call(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a call."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_STARTS_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower().startswith("x-")}
            return response.status, kept, response.read()
        except (OSError, http.client.HTTPException):
            return 500, {"X-OpenFaaS-Internal": "gateway"}, b""
        finally:
            connection.close()

    def wait(self) -> None:
        """Return when its watchdog listens, or after a while."""
        until_s = time.monotonic() + _STARTS_S
        while time.monotonic() < until_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)

    def stop(self) -> None:
        """Remove the container."""
        subprocess.run(["docker", "rm", "-f", self._name], check=False, capture_output=True)


def pulled(image: str) -> bool:
    """Pull an image, and return whether that was possible."""
    return subprocess.run(["docker", "pull", "-q", image], check=False, capture_output=True).returncode == 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
