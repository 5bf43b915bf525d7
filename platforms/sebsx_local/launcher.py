"""Sandboxes as child processes, limited by cgroups where this user may and by `ulimit` otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import DeployError
from sebsx.gateway.launcher import Launcher, Sandbox, SandboxSpec
from sebsx_local.processes import ID, OWNER, kill_all, marked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "sebsx_local.launcher:LocalLauncher"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_PIECE = 65536


class LocalSandbox(Sandbox):
    """A child process, what it started, and a folder for its temporary files."""

    def __init__(
        self, spec: SandboxSpec, process: subprocess.Popen[bytes], tmp: Path, read: Callable[[], bool]
    ) -> None:
        self.pid = process.pid
        self._spec = spec
        self._process = process
        self._tmp = tmp
        self._read = read

    async def wait(self) -> str:
        """Return how the process ended, once it did."""
        await _exit_of(self._process)
        while self._read():
            pass  # its last words
        code = self._process.returncode
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def kill(self) -> None:
        """Kill the process and its group; `close` finds what left the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kill what is left, close the output, remove the folder."""
        await asyncio.get_running_loop().run_in_executor(None, self._clean)
        assert self._process.stdout is not None
        asyncio.get_running_loop().remove_reader(self._process.stdout.fileno())
        self._process.stdout.close()

    def _clean(self) -> None:
        kill_all(lambda: [pid for pid, sandbox in marked(ID).items() if sandbox == self._spec.id])
        shutil.rmtree(self._tmp, ignore_errors=True)


class LocalLauncher(Launcher):
    """Starts child processes.

    Options: `workdir`; for each deployment: `command` and `root`.
    """

    def __init__(self, options: Mapping[str, Any], owner: str) -> None:
        super().__init__(options, owner)
        self._sandboxes = Path(options["workdir"]) / "sandboxes"

    async def open(self) -> None:
        """Make the folder for sandboxes."""
        try:
            self._sandboxes.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise DeployError(f"no sandboxes below {str(self._sandboxes)!r}: {exc}") from exc

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        """Start a process."""
        tmp = self._sandboxes / spec.id
        tmp.mkdir()
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"HOME": str(tmp), "TMPDIR": str(tmp)} | dict(spec.environment) | {OWNER: self.owner}
        environment["SEBSX_STARTED_S"] = repr(time.clock_gettime(time.CLOCK_MONOTONIC))
        process = subprocess.Popen(
            list(spec.options["command"]),
            cwd=spec.options["root"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.set_blocking(output, False)

        def read() -> bool:
            try:
                data = os.read(output, _PIECE)
            except BlockingIOError:
                return False
            if data:
                on_output(data)
            else:
                asyncio.get_running_loop().remove_reader(output)
            return bool(data)

        asyncio.get_running_loop().add_reader(output, read)
        return LocalSandbox(spec, process, tmp, read)

    def limits(self, memory_mib: int) -> dict[str, str]:
        """Return the limits that apply."""
        return {"memory": "none", "cpu": "none", "processes": "none"}


async def _exit_of(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process: by its descriptor on Linux, by a thread elsewhere."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        threading.Thread(target=_wait_in_thread, args=(process, loop, ended), daemon=True).start()
        await ended
        return
    try:
        loop.add_reader(descriptor, _resolve, ended)
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    process.wait()


def _wait_in_thread(
    process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]
) -> None:
    process.wait()
    loop.call_soon_threadsafe(_resolve, ended)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
