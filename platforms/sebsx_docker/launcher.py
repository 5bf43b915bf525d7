"""Sandboxes as containers of the engine on this machine; runs inside the gateway.

The SDK blocks: calls are made in threads of a pool of their own, and output comes over the attached socket, which the
loop watches itself. The end of that stream is how the end of a container is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import PlatformError
from sebsx.sandboxes.launcher import Launcher, Sandbox, SandboxSpec, Unearned, ending, unearned
from sebsx_docker import engine
from sebsx_docker.containers import Mold, cpu_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

NAME = "sebsx_docker.launcher:DockerLauncher"

_THREADS = 64
_PIECE = 65536
_FRAME = struct.Struct(">BxxxI")  # of a container without terminal: which stream, how many bytes
_CGROUPS = Path("/sys/fs/cgroup")
_OOM_WORD_S = 1.0  # the engine hears of a kill for memory on another way than of the end, and may say so later
_KILLED = 128 + signal.SIGKILL


class DockerSandbox(Sandbox):
    """A container.

    Args:
        launcher: Whose threads and client it uses.
        container: Its id.
        output: The attached stream.
        spec: What it must be.
        pid: Its first process as this machine sees it, 0 when it has ended already.
        on_output: Hears what it prints.
    """

    def __init__(
        self,
        launcher: DockerLauncher,
        container: str,
        output: Any,
        spec: SandboxSpec,
        pid: int,
        on_output: Callable[[bytes], None],
    ) -> None:
        self.pid = pid
        self._launcher = launcher
        self._container = container
        self._output = output  # kept: its end closes the socket
        self._socket: socket.socket = getattr(output, "_sock", output)
        self._spec = spec
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._silent: asyncio.Future[None] = self._loop.create_future()
        self._buffer = b""
        self._state: Mapping[str, Any] = {}
        self._killed = False
        self._peak = _open_peak(pid)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._read)

    def initialised(self) -> asyncio.Future[None] | None:
        """Limit the processor; the first event waits for it."""
        limit = cpu_limit(self._spec.cpus)
        if not limit or not self._launcher.options["cpu_boost_at_init"]:
            return None
        return self._launcher.call(self._limit_cpu, limit)

    @property
    def unearned(self) -> Unearned | None:
        """What the limit gave too much; None without one, or if it was in force from the start."""
        limited = cpu_limit(self._spec.cpus) and self._launcher.options["cpu_boost_at_init"]
        return unearned(self._spec.cpus) if limited else None

    def max_memory_bytes(self) -> int | None:
        """Return the peak of its control group."""
        if self._peak is None:
            return None
        try:
            return int(os.pread(self._peak, 32, 0))
        except OSError:  # gone with the container
            return None

    def is_out_of_memory(self) -> bool:
        """Return what the engine said of its end."""
        return bool(self._state.get("OOMKilled"))

    async def wait(self) -> str:
        """Return how it ended."""
        await self._silent
        # Not a thread of the pool: one that closed its output may run for long, and calls must not wait behind it.
        self._state = await asyncio.to_thread(self._await_end)
        code = int(self._state.get("ExitCode", 0))
        return ending(code)

    def kill(self) -> None:
        """End it and everything in it."""
        if not self._killed:
            self._killed = True
            self._launcher.call(self._kill)

    async def close(self) -> None:
        """Remove it."""
        self._stop_reading()
        self._output.close()
        if self._peak is not None:
            os.close(self._peak)
            self._peak = None
        await self._launcher.call(self._remove)

    def _limit_cpu(self, limit: Mapping[str, int]) -> None:
        try:
            self._launcher.client.update_container(self._container, **limit)
        except OSError as exc:
            if not self._killed:
                logger.warning("sandbox %s runs without its processor limit: %s", self._spec.id, exc)

    def _kill(self) -> None:
        with contextlib.suppress(OSError):  # it has ended
            self._launcher.client.kill(self._container)

    def _remove(self) -> None:
        try:
            engine.remove_container(self._launcher.client, self._container)
        except OSError as exc:
            logger.warning("container of sandbox %s cannot be removed: %s", self._spec.id, exc)

    def _await_end(self) -> Mapping[str, Any]:
        client = self._launcher.client
        try:
            client.wait(self._container, timeout=None)
            until_s = time.monotonic() + _OOM_WORD_S
            while True:
                state: Mapping[str, Any] = client.inspect_container(self._container)["State"]
                unexplained = state["ExitCode"] == _KILLED and not state["OOMKilled"] and not self._killed
                if not unexplained or time.monotonic() > until_s:
                    return state
                time.sleep(0.02)
        except OSError as exc:  # removed by somebody, or the engine has ended
            logger.warning("the end of sandbox %s was not seen: %s", self._spec.id, exc)
            return {}

    def _read(self) -> None:
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._stop_reading()
            return
        self._buffer += data
        while len(self._buffer) >= _FRAME.size:
            _, size = _FRAME.unpack_from(self._buffer)
            if len(self._buffer) < _FRAME.size + size:
                break
            self._on_output(self._buffer[_FRAME.size : _FRAME.size + size])
            self._buffer = self._buffer[_FRAME.size + size :]

    def _stop_reading(self) -> None:
        if not self._silent.done():
            self._loop.remove_reader(self._socket.fileno())
            self._silent.set_result(None)


class DockerLauncher(Launcher):
    """Starts containers.

    Options: `host` and `device` of the run's network as this machine sees it, `cpu_boost_at_init`, `run`; for each
    deployment: those of `Mold`.
    """

    def __init__(self, options: Mapping[str, Any], owner: str) -> None:
        super().__init__(options, owner)
        self.runtime_host = options["host"]
        self.client: Any = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")

    async def open(self) -> None:
        """Connect to the engine."""
        try:
            self.client = await self.call(engine.connect)
        except PlatformError as exc:
            raise OSError(str(exc)) from exc

    def call(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Call something that blocks, in a thread."""
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def listen(self) -> socket.socket:
        """Return a socket on the run's network alone: what comes in elsewhere for its address is not taken."""
        listener = socket.create_server((self.runtime_host, 0), backlog=8)
        with contextlib.suppress(PermissionError):  # before Linux 5.7 only root may
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.options["device"].encode())
        return listener

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        """Start a container."""
        environment = {**spec.environment, "SEBSX_STARTED_S": repr(time.clock_gettime(time.CLOCK_MONOTONIC))}
        container, output, pid = await self.call(self._start, spec, environment)
        return DockerSandbox(self, container, output, spec, pid, on_output)

    async def close(self) -> None:
        """Let the threads end."""
        if self.client is not None:
            self.client.close()
        self._threads.shutdown(wait=False)

    def _start(self, spec: SandboxSpec, environment: Mapping[str, str]) -> tuple[str, Any, int]:
        name = f"sebsx-{self.options['run']}-{spec.id[:12]}"
        cpus = None if self.options["cpu_boost_at_init"] else spec.cpus
        container, _ = Mold(**spec.options).create(self.client, name, spec.memory_mib, environment, cpus)
        try:
            output = self.client.attach_socket(container, params={"stdout": 1, "stderr": 1, "stream": 1})
            self.client.start(container)
            return container, output, int(self.client.inspect_container(container)["State"]["Pid"])
        except OSError:
            engine.remove_container(self.client, container)
            raise


def _open_peak(pid: int) -> int | None:
    """Return a descriptor of the file with the peak memory of a process's control group, None where there is none."""
    try:
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            root, name = _CGROUPS / "memory", "memory.max_usage_in_bytes"
        elif not controllers:
            root, name = _CGROUPS, "memory.peak"
        else:
            continue
        parts = [word for word in path.split("/") if word]
        for start in range(len(parts)):  # where we are in a container, the path begins outside of what we see
            with contextlib.suppress(OSError):
                return os.open(root.joinpath(*parts[start:], name), os.O_RDONLY | os.O_CLOEXEC)
    return None
