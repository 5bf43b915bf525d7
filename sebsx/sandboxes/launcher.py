"""What a sandbox is made of: the part of the gateway that a platform brings.

A launcher runs inside the gateway process, on its event loop: methods that wait are coroutines, and none
may block the loop for more than a millisecond or two.

Variables that every sandbox is given, and what the Python shim makes of them:

    AWS_LAMBDA_RUNTIME_API            host:port of the Runtime API, for this sandbox alone
    AWS_LAMBDA_FUNCTION_NAME, _MEMORY_SIZE    as on AWS Lambda, for runtimes that are not ours
    SEBSX_SANDBOX_ID                  its identity in envelope, headers and records
    SEBSX_MEMORY_MIB, SEBSX_TIMEOUT_S `context.memory_mib`, `context.timeout_s`
    SEBSX_LIMITS_ONCE_LOADED          the gateway takes `POST init/loaded`, and answers it when the limits are in force
    SEBSX_STARTED_S                   by the launcher, if it can: CLOCK_MONOTONIC at the start, for `boot_s`
    SEBSX_CONTROL_GROUP               by the launcher, if it knows: name of the sandbox's own group, or empty
"""

from __future__ import annotations

import signal
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Mapping

_SHELL = 128  # what a shell adds to the number of the signal that ended a process
_PERIOD_US = 20_000
_SMALLEST_QUOTA_US = 1000  # the kernel refuses less
_SLICE_US = 5000  # what a thread draws of its quota at once: /proc/sys/kernel/sched_cfs_bandwidth_slice_us
_CLOCK_MONOTONIC_COARSE = 6  # include/uapi/linux/time.h
_USUAL_TICK_S = 0.004  # CONFIG_HZ=250
_ASKING_US = 300  # processor time of a runtime from its last own step to the handler's first: it asks for the event


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What one sandbox must be.

    Args:
        id: 32 hex digits, unique.
        deployment: Name of the deployment it serves.
        memory_mib: Memory limit.
        environment: Every variable it gets from the gateway and the user; the launcher adds its own.
        options: The platform's own words for this deployment, as given to `Gateway.deploy`.
        vcpu: Processors it gets; None for those that go with the memory.
    """

    id: str
    deployment: str
    memory_mib: int
    environment: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    vcpu: float | None = None

    @property
    def cpus(self) -> float:
        """Processors it gets, whoever decides."""
        return cpu_share(self.memory_mib) if self.vcpu is None else self.vcpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Unearned:
    """What a limit of the processor gives too much when it comes into force; see `unearned`.

    A runtime uses it up before its first event: until it has used `cpu_s` and `share` of the time since then, or twice
    the time has passed that it makes up for (`cpu_s / share`).

    Args:
        cpu_s: Processor time.
        share: Processors that the limit gives.
    """

    cpu_s: float
    share: float

    @property
    def headers(self) -> str:
        """The lines that tell a runtime."""
        return f"Sebsx-Unearned-S: {self.cpu_s:.6f}\r\nSebsx-Processors: {self.share:.6f}\r\n"


class Sandbox(ABC):
    """A running sandbox."""

    pid: int

    @abstractmethod
    async def wait(self) -> str:
        """Return how it ended, in words (`exit code 3`, `signal SIGKILL`); may be awaited once."""

    @abstractmethod
    def kill(self) -> None:
        """End it and everything it started, at once. Harmless when it has ended."""

    @abstractmethod
    async def close(self) -> None:
        """Release what it held on this machine, after `wait` returned; also ends what it left running."""

    def initialised(self) -> Future[None] | None:
        """Hear that the function is loaded: the limits meant for invocations apply from now on.

        Returns:
            What the first event waits for, until the limits are in force; None if they are already.
        """
        return None

    @property
    def unearned(self) -> Unearned | None:
        """What the limits give too much when they come into force; None for nothing."""
        return None

    def max_memory_bytes(self) -> int | None:
        """Return the peak of the memory charged to the whole sandbox so far, file pages that it read among it.

        None where nothing accounts that. Called once per invocation.
        """
        return None

    def is_out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of it for memory."""
        return False


class Launcher(ABC):
    """Starts sandboxes.

    Args:
        options: The platform's settings for the launcher, as given to `Gateway`.
        owner: Marker of this gateway, `pid:start time`; everything that is made must carry it.

    Class attributes:
        runtime_host: Address on which the gateway offers the Runtime API to sandboxes.
    """

    runtime_host: str = "127.0.0.1"

    def __init__(self, options: Mapping[str, Any], owner: str) -> None:
        self.options = options
        self.owner = owner

    def listen(self) -> socket.socket:
        """Return a listening socket for the Runtime API of one sandbox.

        Raises:
            OSError: If there is none to be had.
        """
        return socket.create_server((self.runtime_host, 0), backlog=8)

    async def open(self) -> None:  # noqa: B027  # optional
        """Prepare the machine, before the first sandbox.

        Raises:
            DeployError: If sandboxes cannot be made here.
        """

    async def park(self, spec: SandboxSpec) -> bool:
        """Prepare a sandbox ahead of its call, for `launch` of the same id; nothing of the function runs yet.

        Args:
            spec: What is known of it; the environment is told at the launch.

        Returns:
            Whether there is anything to prepare here; `unpark` undoes it where it is not launched.

        Raises:
            OSError: If it cannot be prepared.
        """
        return False

    async def unpark(self, sandbox_id: str) -> None:  # noqa: B027  # optional
        """Undo `park`; returns when nothing is left of it. Harmless where nothing is parked."""

    @abstractmethod
    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        """Start a sandbox; `on_output` hears what it prints, in pieces.

        Raises:
            OSError: If it cannot be started.
        """

    def limits(self, memory_mib: int, cpus: float) -> dict[str, str]:
        """Return which limits a sandbox of this memory and processors gets and how: `{"memory": "cgroup-v1"}`."""
        return {}

    async def close(self) -> None:  # noqa: B027  # optional
        """Remove what `open` made; every sandbox is closed by then."""


def ending(code: int) -> str:
    """Return how a process ended, in words, by its code as its parent has it or as a shell says it."""
    number = -code if code < 0 else code - _SHELL
    return f"signal {signal.Signals(number).name}" if number in set(signal.Signals) else f"exit code {code}"


def cpu_share(memory_mib: int) -> float:
    """Return the processors that go with an amount of memory.

    Source: AWS Lambda developer guide, "Configure Lambda function memory": 1,769 MB have the equivalent of one vCPU.
    """
    return memory_mib / 1769


def quota(share: float) -> tuple[int, int]:
    """Return quota and period in microseconds that give `share` processors: 20 ms, longer only for tiny shares."""
    period_us = max(_PERIOD_US, round(_SMALLEST_QUOTA_US / share))
    return max(_SMALLEST_QUOTA_US, round(share * period_us)), period_us


def unearned(share: float, tick_s: float = 0.0) -> Unearned | None:
    """Return what a limit gives too much when it comes into force; None from one processor on, which stops no thread.

    A thread that has a balance B of its quota, negative where it has overdrawn it, and whose last refill was a ago has
    an advance V = a + B / share: its next work w takes w / share - V, and the V that it has afterwards. A refill leaves
    V as it is. A limit that comes into force gives the quota q at a random moment of the period T, V = 3 T / 2; what q
    has beyond 5 ms, which a thread draws at once, is lost in part at the next refill. A thread that works has less:
    the kernel sees at its next tick that a quota is used up, so that it is overdrawn by up to a tick. The difference is
    what the first call would have too much.

    Args:
        share: Processors.
        tick_s: Of the kernel's clock; 0 for that of this machine.

    Source: Linux, Documentation/scheduler/sched-bwc.rst; `tg_set_cfs_bandwidth`, `__assign_cfs_rq_runtime` and
    `distribute_cfs_runtime` in kernel/sched. A simulation of them holds it in `tests/sandboxes/test_unearned.py`.
    """
    if share >= 1:
        return None
    quota_us, period_us = quota(share)
    age_us, left_us = _working(quota_us, 1e6 * (tick_s or _tick_s()))
    lost_us: float = sum(max(0, quota_us - drawn_us) for drawn_us in range(_SLICE_US, quota_us, _SLICE_US))
    lost_us *= _SLICE_US / period_us
    too_much_us = 1.5 * quota_us - share * age_us - left_us - lost_us - (1 - share) * _ASKING_US
    return Unearned(cpu_s=max(0.0, too_much_us * 1e-6), share=share)


def _working(quota: float, tick: float) -> tuple[float, float]:
    """Return the mean age of the last refill and the mean balance of a thread that works.

    An overdraft is anything up to a tick, and the balance at a refill anything that the last one leaves.
    """
    if tick <= quota:
        return quota / 2 + tick**2 / (12 * quota), (quota - tick) / 2
    return (quota**2 / 3 + tick**2 / 3 + quota * tick / 2) / (quota + tick), (quota - tick) / 3


def _tick_s() -> float:
    """Return how often the kernel looks at what runs: the resolution of its coarse clock, on Linux."""
    try:
        return time.clock_getres(_CLOCK_MONOTONIC_COARSE)
    except OSError:
        return _USUAL_TICK_S
