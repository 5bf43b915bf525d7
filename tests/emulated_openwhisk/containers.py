"""Action containers: what an invoker starts, initialises once, runs activations in, and ends.

Those of kinds are processes of this machine behind a proxy that speaks the action protocol; those of images are
containers of a Docker engine, whose image brings its own.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MARKER = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
LABEL = "sebsx-tests.emulated-openwhisk"
_HERE = Path(__file__).parent
_STARTS_WITHIN_S = 60.0
_INIT_WITHIN_S = 60.0


class ContainerEndedError(Exception):
    """It did not answer, because it has ended."""


class OutOfTimeError(Exception):
    """It did not answer in time."""


class Container:
    """One container, started; `initialise` comes first, and once.

    Args:
        action: The action as it is stored.
        folder: Where containers live.
    """

    def __init__(self, action: dict[str, Any], folder: Path) -> None:
        self.revision = action["revision"]
        self.busy = 0
        self.idle_since_s = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self._host, self._port = "127.0.0.1", _free_port()
        executable = action["exec"]
        self._image: str | None = executable.get("image") if executable["kind"] == "blackbox" else None
        self._process: subprocess.Popen[bytes] | None = None
        self._container = ""
        if self._image:
            self._start_image(action["limits"]["memory"])
        else:
            self._start_process(executable["kind"])
        self._wait()

    def initialise(self, action: dict[str, Any]) -> tuple[int, Any]:
        """Send the code."""
        executable = action["exec"]
        value = {
            "name": action["name"],
            "main": executable.get("main", "main"),
            "code": executable.get("code", ""),
            "binary": executable.get("binary", False),
            "env": {"__OW_ACTION_NAME": f"/guest/{action['name']}"},
        }
        return self._ask("/init", {"value": value}, _INIT_WITHIN_S)

    def run(self, value: Any, activation_id: str, timeout_s: float) -> tuple[int, Any]:
        """Run an activation."""
        request = {
            "value": value,
            "namespace": "guest",
            "action_name": "/guest/action",
            "activation_id": activation_id,
            "deadline": str(round((time.time() + timeout_s) * 1000)),
            "api_host": "http://127.0.0.1",
        }
        return self._ask("/run", request, timeout_s)

    def log(self) -> tuple[list[str], list[str]]:
        """Return the lines that were printed so far, markers among them: standard output and error."""
        return _lines(self.folder / "stdout"), _lines(self.folder / "stderr")

    def end(self) -> None:
        """End it and remove what it left."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._container:
            subprocess.run(["docker", "rm", "-f", self._container], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_process(self, kind: str) -> None:
        language = kind.partition(":")[0]
        proxy = {"python": [sys.executable, str(_HERE / "python_proxy.py")],
                 "nodejs": [shutil.which("node") or "node", str(_HERE / "nodejs_proxy.js")]}[language]  # fmt: skip
        with (self.folder / "stdout").open("wb") as output, (self.folder / "stderr").open("wb") as error:
            self._process = subprocess.Popen(
                [*proxy, self._host, str(self._port)], cwd=self.folder, stdout=output, stderr=error,
                start_new_session=True, env={"PATH": os.environ["PATH"], "__OW_EXECUTION_ENV": kind},
            )  # fmt: skip

    def _start_image(self, memory_mib: int) -> None:
        assert self._image
        done = subprocess.run(
            ["docker", "run", "-d", "--pull", "always", "--label", f"{LABEL}=1", "--network", "host", "-m",
             f"{memory_mib}m", "-e", f"SEBSX_PROXY_PORT={self._port}", self._image],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        self._container = done.stdout.strip()

    def _wait(self) -> None:
        ends = time.monotonic() + _STARTS_WITHIN_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((self._host, self._port)) == 0:
                    return
            assert self._process is None or self._process.poll() is None, self.log()
            assert time.monotonic() < ends, "the container does not answer"
            time.sleep(0.005)

    def _ask(self, path: str, body: Any, timeout_s: float) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except TimeoutError as exc:
            raise OutOfTimeError from exc
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise ContainerEndedError from exc
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
