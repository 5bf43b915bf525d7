"""The registry behind the account's ECR: Debian's `docker-registry` on loopback, as a client of Docker meets it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import urllib3

USER = "AWS"  # of every token of ECR
_MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
_WITHIN_S = 20.0


class Pushed(NamedTuple):
    """An image in the registry: `bytes` are those of its layers and configuration as they lie there, compressed."""

    tag: str
    digest: str
    manifest: str
    media_type: str
    bytes: int


class Registry:
    """A registry that lets in one user with one password.

    Args:
        folder: Of its own, made when it is started.
        password: Of the user `AWS`.
    """

    def __init__(self, folder: Path, password: str) -> None:
        self.password = password
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._calls: urllib3.HTTPConnectionPool | None = None
        self.host = ""

    def start(self) -> None:
        """Start it. A second call is harmless."""
        if self._process is not None:
            return
        self._folder.mkdir(parents=True)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = int(found.getsockname()[1])
        self.host = f"127.0.0.1:{port}"
        self.admit(self.password)
        config = {
            "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder)}, "delete": {"enabled": True}},
            "http": {"addr": self.host},
            "auth": {"htpasswd": {"realm": "ecr", "path": str(self._folder / "htpasswd")}},
        }  # fmt: skip
        (self._folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        command = ["docker-registry", "serve", str(self._folder / "config.yml")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._calls = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=4)
        ends = time.monotonic() + _WITHIN_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert self._process.poll() is None, "the registry has ended"
            assert time.monotonic() < ends, "the registry does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it. Harmless when it was never started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
        if self._calls is not None:
            self._calls.close()

    def admit(self, password: str) -> None:
        """Let in this password from now on, and no other."""
        command = ["htpasswd", "-Bbn", "-C", "4", USER, password]
        (self._folder / "htpasswd").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
        self.password = password

    def images(self, repository: str) -> list[Pushed]:
        """Return what was pushed to a repository and is there."""
        told = self._ask("GET", f"/v2/{repository}/tags/list")
        tags = (json.loads(told.data).get("tags") or ()) if told.status == 200 else ()
        return [found for tag in tags if (found := self._image(repository, tag))]

    def delete(self, repository: str) -> None:
        """Delete every image of a repository."""
        for digest in {image.digest for image in self.images(repository)}:
            assert self._ask("DELETE", f"/v2/{repository}/manifests/{digest}").status == 202

    def blob(self, repository: str, digest: str) -> bytes:
        """Return a blob of a repository, such as the configuration of an image."""
        told = self._ask("GET", f"/v2/{repository}/blobs/{digest}")
        assert told.status == 200, told.data
        return told.data

    def _image(self, repository: str, tag: str) -> Pushed | None:
        told = self._ask("GET", f"/v2/{repository}/manifests/{tag}")
        if told.status != 200:
            return None
        manifest = json.loads(told.data)
        size = sum(part["size"] for part in (manifest["config"], *manifest["layers"]))
        digest, kind = told.headers["Docker-Content-Digest"], told.headers["Content-Type"]
        return Pushed(tag, digest, told.data.decode(), kind, size)

    def _ask(self, method: str, path: str) -> urllib3.BaseHTTPResponse:
        assert self._calls is not None
        headers = urllib3.make_headers(basic_auth=f"{USER}:{self.password}") | {"Accept": _MANIFESTS}
        return self._calls.request(method, path, headers=headers, timeout=_WITHIN_S, retries=False)
