"""Storage accounts: Azurite over TLS, in which every name is an account with one key."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

from tests.emulated_gcp import node

AZURITE = "azurite@3.37.0"
KEY = "c2Vic3gtZW11bGF0ZWQtc3RvcmFnZS1hY2NvdW50LWtleS0xMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw=="
_READY_S = 60.0
# Azurite reads its accounts once a minute; which of them exist is the affair of Resource Manager.
_EVERY_NAME = """
const { default: Store } = require(%s);
Store.prototype.getAccount = (name) => ({ name, key1: Buffer.from(%s, 'base64') });
"""


class Storage:
    """Azurite, once for all tests.

    Args:
        workdir: For what it writes.
        certificate: File with certificate and key, as PEM.
    """

    def __init__(self, workdir: Path, certificate: Path) -> None:
        self._workdir, self._certificate = workdir / "azurite", certificate
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._workdir.mkdir(parents=True, exist_ok=True)
        modules = node.modules(AZURITE)
        source = str(modules / "azurite/dist/src")
        preload = self._workdir / "accounts.js"
        preload.write_text(_EVERY_NAME % (json.dumps(f"{source}/common/AccountDataStore.js"), json.dumps(KEY)))
        self._ports = {service: _free_port() for service in ("blob", "queue", "table")}
        ports = [word for service, port in self._ports.items() for word in (f"--{service}Port", str(port))]
        log = (self._workdir / "log").open("wb")
        self._process = subprocess.Popen(
            ["node", "--require", str(preload), f"{source}/azurite.js", "--inMemoryPersistence", "--silent",
             "--skipApiVersionCheck", "--disableTelemetry", "--cert", str(self._certificate), "--key",
             str(self._certificate), *ports],
            cwd=self._workdir, env=dict(os.environ), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        until_s = time.monotonic() + _READY_S
        for port in self._ports.values():
            while not _listens(port):
                assert self._process.poll() is None, (self._workdir / "log").read_text()
                assert time.monotonic() < until_s, "azurite does not listen"
                time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def endpoints(self, account: str) -> dict[str, str]:
        """Return where an account is found."""
        return {service: f"https://127.0.0.1:{port}/{account}" for service, port in self._ports.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
