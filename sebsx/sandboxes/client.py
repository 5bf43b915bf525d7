"""The gateway as the platform sees it: a process that is started, told what to do, and never outlives us."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from sebsx.errors import DeployError, PlatformError

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from sebsx.sandboxes.pool import PoolConfig

_HOST = "127.0.0.1"
_STOP_S = 15.0
_CONTROL_S = 60.0
_PASSES = (
    "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
)  # fmt: skip


class Gateway:
    """A gateway process. Used from one thread.

    Args:
        launcher: `module:Class` of a `Launcher`.
        options: JSON-able settings for the launcher.
        log: File for what the gateway itself has to say.
        port: Port for invocations; 0 for any free one.
        payload_bytes: Largest event.
        response_bytes: Largest output of a function.
        passes: Variables that the launcher reads, of this process's environment. A function may read the environment of
            the gateway (/proc/PID/environ): it gets what a program needs to run, these, and nothing else.
    """

    def __init__(
        self,
        launcher: str,
        options: Mapping[str, Any],
        log: Path,
        *,
        port: int = 0,
        payload_bytes: int = 6 * 1024 * 1024,
        response_bytes: int = 6 * 1024 * 1024,
        passes: Sequence[str] = (),
    ) -> None:
        self._passes = (*_PASSES, *passes)
        self._token = secrets.token_hex(16)
        self._told = {
            "launcher": launcher,
            "options": dict(options),
            "token": self._token,
            "port": port,
            "payload_bytes": payload_bytes,
            "response_bytes": response_bytes,
        }
        self._log = log
        self._wanted_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None
        self.port = 0
        self.owner = ""

    @property
    def pid(self) -> int:
        """The process; 0 before `start`."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            DeployError: If it cannot; the message names the port or holds the launcher's reason.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # -P and our own path: it finds what we find, and nothing that lies in the current folder.
                [sys.executable, "-P", "-m", "sebsx.sandboxes"],
                env={
                    **{name: os.environ[name] for name in self._passes if name in os.environ},
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the parent, which then stops it in order
            )
        try:
            answer = self._handshake(_pipe(self._process.stdin), _pipe(self._process.stdout))
        except BaseException:
            self.stop()
            raise
        import http.client  # here: the gateway process imports this module too, and starts in half the time without

        self.port, self.owner = answer["port"], answer["owner"]
        self._connection = http.client.HTTPConnection(_HOST, self.port, timeout=_CONTROL_S)

    def stop(self) -> None:
        """End the process and with it every sandbox. Harmless when it has ended or never started."""
        process, self._process = self._process, None
        if self._connection is not None:
            self._connection.close()
        if process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            _pipe(process.stdin).close()  # by this the gateway knows that we are gone
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _pipe(process.stdout).close()

    def endpoint(self, name: str) -> str:
        """Return the URL for invocations of a deployment."""
        return f"http://{_HOST}:{self.port}/invoke/{name}"

    def deploy(self, config: PoolConfig) -> dict[str, str]:
        """Create a deployment, or change the one of that name; return which limits apply and how.

        Sandboxes made for a former configuration get no further invocation.
        """
        fields = {name: getattr(config, name) for name in config.__dataclass_fields__}
        return dict(self._control("deploy", **fields)["limits"])

    def remove(self, name: str) -> None:
        """Remove a deployment; returns when its sandboxes are gone. Harmless when there is none."""
        self._control("remove", name=name)

    def force_cold(self, name: str) -> None:
        """See to it that no sandbox that is there now gets another invocation."""
        self._control("force_cold", name=name)

    def records(self, name: str, request_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the records of those invocations that are known, by request id."""
        return dict(self._control("records", name=name, request_ids=list(request_ids)))

    def logs(self, name: str) -> dict[str, str]:
        """Return the last output of each sandbox, by sandbox id."""
        return dict(self._control("logs", name=name))

    def log(self, name: str, sandbox: str) -> str:
        """Return the last output of one sandbox; empty where it is not known any more."""
        return str(self._control("log", name=name, sandbox=sandbox)["text"])

    def state(self) -> dict[str, dict[str, str]]:
        """Return the state of each living sandbox by deployment and id: `starting`, `idle` or `busy`."""
        return dict(self._control("state"))

    def _handshake(self, stdin: IO[bytes], stdout: IO[bytes]) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(self._told).encode() + b"\n")
            stdin.flush()
        line = stdout.readline()
        if not line:
            raise DeployError(f"the gateway did not start{self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            advice = f"; set port to 0 or to a free one instead of {self._wanted_port}" if self._wanted_port else ""
            raise DeployError(f"the gateway cannot start: {answer['error']}{advice}")
        return answer

    def _control(self, action: str, **arguments: Any) -> Any:
        import http.client

        from sebsx.model.untrusted import parse_json  # the gateway's own process needs no model

        if self._connection is None or self._process is None:
            raise PlatformError("the gateway is not running; open the platform with `with` first")
        headers = {"X-Sebsx-Token": self._token, "Content-Type": "application/json"}
        try:
            self._connection.request("POST", f"/control/{action}", json.dumps(arguments).encode(), headers)
            response = self._connection.getresponse()
            body = parse_json(response.read())
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._connection.close()
            code = self._process.poll()
            state = "does not answer" if code is None else f"has ended with code {code}"
            raise PlatformError(f"the gateway {state} on {action!r}{self._last_words()}") from exc
        if response.status != 200:
            raise PlatformError(f"the gateway refused {action!r}: {body['error']}")
        return body

    def _last_words(self) -> str:
        """Return the last line of the log as part of a message: the log itself goes with the working directory."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return f"; its log ends with {lines[-1]!r}" if lines else ""


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
