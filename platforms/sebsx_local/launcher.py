"""Sandboxes as child processes, limited by cgroups where this user may and by `ulimit` otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import DeployError
from sebsx.sandboxes.launcher import Launcher, Sandbox, SandboxSpec, Unearned, ending, unearned
from sebsx.system.processes import bearing, end_all, marked, marking
from sebsx_local.cgroups import CONTROLLERS, PIDS_MAX, open_group
from sebsx_local.shells import DESCRIPTORS, Shell
from sebsx_local.sweep import OWNER, RUN, SANDBOXES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx_local.cgroups import GatewayGroup, SandboxGroup

logger = logging.getLogger(__name__)

NAME = "sebsx_local.launcher:LocalLauncher"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_ID = "SEBSX_SANDBOX_ID"
_PIECE = 65536


class LocalSandbox(Sandbox):
    """A child process, what it started, and a folder for its temporary files."""

    def __init__(
        self,
        spec: SandboxSpec,
        process: subprocess.Popen[bytes],
        group: SandboxGroup | None,
        tmp: Path,
        read: Callable[[], bool],
        find: Callable[[], set[int]],
    ) -> None:
        self.pid = process.pid
        self._spec = spec
        self._process = process
        self._group = group
        self._tmp = tmp
        self._read = read
        self._find = find
        self._limited = False
        self._unearned: Unearned | None = None

    def initialised(self) -> None:
        """Limit the processor from now on, unless it is limited already."""
        if not self._limited and self.limit_cpu():
            self._unearned = unearned(self._spec.cpus)

    def limit_cpu(self) -> bool:
        """Limit the processor where it can be and needs to be; return whether it is limited."""
        share = self._spec.cpus
        if self._group is not None and share < _cpus():
            try:
                self._limited = self._group.limit_cpu(share)
            except OSError as exc:
                logger.warning("sandbox %s runs without its processor limit: %s", self._spec.id, exc)
        return self._limited

    @property
    def unearned(self) -> Unearned | None:
        """What the limit gave too much; None without one, or if it was in force from the start."""
        return self._unearned

    def max_memory_bytes(self) -> int | None:
        """Return the peak of the control group; without one nobody counts all that a sandbox uses."""
        return None if self._group is None else self._group.max_memory_bytes()

    def is_out_of_memory(self) -> bool:
        """Return whether the process was killed by the kernel for memory."""
        killed = self._process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        return killed and self._group is not None and self._group.oom_kills() > 0

    async def wait(self) -> str:
        """Return how the process ended, once it did."""
        await _exit_of(self._process)
        while self._read():
            pass  # its last words
        return ending(self._process.returncode)

    def kill(self) -> None:
        """Kill the process and its group; `close` finds what left them."""
        if self._process.returncode is None:  # else the number may be another's by now
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        if self._group is not None:
            self._group.kill()

    async def close(self) -> None:
        """Kill what is left, close the output, remove the folder."""
        await asyncio.get_running_loop().run_in_executor(None, self._clean)
        assert self._process.stdout is not None
        asyncio.get_running_loop().remove_reader(self._process.stdout.fileno())
        self._process.stdout.close()

    def _clean(self) -> None:
        if self._group is not None:
            self._group.remove()
        else:
            end_all(self._find)
        shutil.rmtree(self._tmp, ignore_errors=True)


class LocalLauncher(Launcher):
    """Starts child processes.

    Options: `workdir`, `run`, `limits`, `cpu_boost_at_init`; for each deployment: `command` and `root`.
    """

    def __init__(self, options: Mapping[str, Any], owner: str) -> None:
        super().__init__(options, owner)
        self._workdir = Path(options["workdir"])
        self._run = str(options.get("run", ""))
        self._sandboxes = self._workdir / SANDBOXES
        self._group: GatewayGroup | None = None
        self._sweeper: subprocess.Popen[bytes] | None = None
        self._parked: dict[str, Shell] = {}  # by the sandbox that it waits for
        self._launched = 0

    async def open(self) -> None:
        """Make the folder for sandboxes and the control group, and start the process that clears up after us."""
        try:
            self._sandboxes.mkdir(exist_ok=True)  # in a folder that is there, or was cleaned away with our client
        except OSError as exc:
            raise DeployError(f"no sandboxes below {str(self._sandboxes)!r}: {exc}") from exc
        if self.options["limits"] in ("auto", "cgroup"):
            self._group = open_group(self.owner, run=self._run)
        if self._group is None and self.options["limits"] == "cgroup":
            raise DeployError(
                "this user may not make control groups that limit memory here; set limits to 'auto', or run as root "
                "or in a delegated group (systemd-run --user --scope -p Delegate=yes)"
            )
        self._sweeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "sebsx_local.sweep", self.owner, str(self._workdir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def park(self, spec: SandboxSpec) -> bool:
        """Have a shell wait in the control group of a sandbox to come; without control groups nothing is to be done."""
        if self._group is None:
            return False
        self._parked[spec.id] = await self._enter(self._group, spec)
        return True

    async def unpark(self, sandbox_id: str) -> None:
        """End the shell that waits for a sandbox."""
        shell = self._parked.pop(sandbox_id, None)
        if shell is not None:
            await asyncio.get_running_loop().run_in_executor(None, shell.end)

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        """Start a process."""
        tmp = self._sandboxes / spec.id
        tmp.mkdir()
        environment = {"HOME": str(tmp), "TMPDIR": str(tmp), **spec.environment, OWNER: self.owner, RUN: self._run}
        environment["SEBSX_CONTROL_GROUP"] = "" if self._group is None else spec.id  # its folders are called so
        environment["SEBSX_STARTED_S"] = repr(time.clock_gettime(time.CLOCK_MONOTONIC))
        group = None
        if self._group is None:
            self._launched += 1
            part, process = self._launched, self._start(spec, environment, self._launched)
        else:
            shell = await self._shell(self._group, spec, environment)
            part, process, group = shell.part, shell.process, shell.group
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

        def find() -> set[int]:
            return {pid for pid, sandbox in marked(_ID).items() if sandbox == spec.id} | bearing(self.owner, part)

        sandbox = LocalSandbox(spec, process, group, tmp, read, find)
        if not self.options["cpu_boost_at_init"]:
            sandbox.limit_cpu()
        return sandbox

    def limits(self, memory_mib: int, cpus: float) -> dict[str, str]:
        """Return which limits apply, and how."""
        share, cpus = cpus, _cpus()
        kinds = {name: self._group.kind(name) for name in CONTROLLERS} if self._group is not None else {}
        cpu = kinds.get("cpu")
        memory = kinds.get("memory") or ("rlimit-data, each process" if self._has_rlimit else "none")
        return {
            "memory": memory,
            "cpu": f"{cpu} {share:.3f} vCPU" if cpu and share < cpus else f"none, {cpus} vCPU",
            "processes": f"{kinds['pids']} {PIDS_MAX}" if kinds.get("pids") else "none",
        }

    async def close(self) -> None:
        """Remove the control group and end the process that would have."""
        if self._group is not None:
            self._group.remove()
        if self._sweeper is not None:
            assert self._sweeper.stdin is not None
            self._sweeper.stdin.close()
            await asyncio.get_running_loop().run_in_executor(None, self._sweeper.wait)

    @property
    def _has_rlimit(self) -> bool:
        """Whether private memory can be limited per process: only Linux counts it all (since 4.7, setrlimit(2))."""
        return self.options["limits"] != "none" and sys.platform == "linux"

    def _environment(self) -> dict[str, str]:
        """Return what every process gets, whatever its sandbox."""
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return passed_on | {OWNER: self.owner, RUN: self._run}

    def _start(self, spec: SandboxSpec, environment: dict[str, str], part: int) -> subprocess.Popen[bytes]:
        """Start a sandbox that has no control group."""
        limit = f"{DESCRIPTORS}; ulimit -d {spec.memory_mib * 1024} && " if self._has_rlimit else ""
        # A shell costs about 1 ms; a `preexec_fn` would fork the whole gateway, and is not safe beside threads.
        trampoline = ["/bin/sh", "-c", f'{limit}exec "$@"', "sebsx-sandbox"] if limit else []
        with marking(self.owner, part):
            return subprocess.Popen(
                [*trampoline, *spec.options["command"]],
                cwd=spec.options["root"],
                env=self._environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def _shell(self, groups: GatewayGroup, spec: SandboxSpec, environment: Mapping[str, str]) -> Shell:
        """Return a shell that has started a sandbox in its control group: the one that waits for it, or a new one."""
        shell = self._parked.pop(spec.id, None)
        if shell is not None:
            if shell.start(spec.options["command"], environment):
                return shell
            await asyncio.get_running_loop().run_in_executor(None, shell.end)
        shell = await self._enter(groups, spec)
        shell.start(spec.options["command"], environment)
        return shell

    async def _enter(self, groups: GatewayGroup, spec: SandboxSpec) -> Shell:
        """Return a shell that is in a new control group."""
        self._launched += 1
        group = groups.sandbox(spec.id, spec.memory_mib * 2**20)
        try:
            shell = Shell(group, spec.options["root"], self._environment(), self.owner, self._launched)
        except OSError:
            group.remove()
            raise
        try:
            await shell.entered()
        except BaseException:
            shell.end()
            raise
        return shell


def _cpus() -> int:
    return os.cpu_count() or 1


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
