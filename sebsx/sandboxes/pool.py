"""The sandboxes of one deployment: which takes an invocation, when a new one starts, when an idle one ends."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sebsx.model import Status
from sebsx.sandboxes.journal import LOGS, Records
from sebsx.sandboxes.keepalive import keep_alive
from sebsx.sandboxes.launcher import SandboxSpec, cpu_share
from sebsx.sandboxes.parking import Parking
from sebsx.sandboxes.worker import HTTP_CODES, PlacedCall, Worker, error_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.sandboxes.journal import Log
    from sebsx.sandboxes.launcher import Launcher

_MOST_PARKED = 64
_QUIET_S = 0.25  # without a call in hand, before anything is prepared beside them


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """What is asked for one deployment.

    Args:
        name: Its name, part of its URL.
        memory_mib: Memory limit of each sandbox.
        timeout_s: Longest invocation, from the hand-over of the event.
        init_timeout_s: Longest time from the launch of a sandbox to its first question for work.
        max_instances: Sandboxes at once, each of which serves one invocation; more are throttled. 0 for no limit.
        keep_alive_policy: See `sebsx.sandboxes.keepalive`.
        keep_alive_s: Its time.
        keep_alive_seed: Its seed.
        environment: Variables for the function.
        options: The launcher's own words.
        vcpu: Processors of each sandbox; None for those that go with the memory.
    """

    name: str
    memory_mib: int
    timeout_s: float
    init_timeout_s: float = 60.0
    max_instances: int = 100
    keep_alive_policy: str = "fixed"
    keep_alive_s: float = 600.0
    keep_alive_seed: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    vcpu: float | None = None

    @property
    def cpus(self) -> float:
        """Processors of each sandbox, whoever decides."""
        return cpu_share(self.memory_mib) if self.vcpu is None else self.vcpu


class Pool:
    """The sandboxes of one deployment; an invocation goes to the one that became idle last.

    Sandboxes to come are prepared while nothing is measured: after a deployment, before `force_cold` returns, and when
    no call was in hand for a while; as many as there were at once since the last `force_cold`.

    Args:
        config: What is asked.
        launcher: Makes sandboxes.
        response_bytes: Largest answer of a function.
    """

    def __init__(self, config: PoolConfig, launcher: Launcher, response_bytes: int) -> None:
        self.config = config
        self.launcher = launcher
        self.response_bytes = response_bytes
        self.records = Records()
        self._workers: dict[str, Worker] = {}
        self._idle: dict[str, Worker] = {}  # in the order in which they became idle
        self._tasks: set[asyncio.Task[None]] = set()
        self._logs: deque[tuple[str, Log]] = deque(maxlen=LOGS)
        self._keep_alive = keep_alive(config.keep_alive_policy, config.keep_alive_s, config.keep_alive_seed)
        self._reaper: asyncio.TimerHandle | None = None
        self._parking = Parking(launcher, self.spec)
        self._most = 1  # sandboxes at once
        self._quiet: asyncio.TimerHandle | None = None
        self._used = 0.0  # perf_counter at which a sandbox became idle last
        self._loop = asyncio.get_running_loop()
        self._park()

    def submit(self, call: PlacedCall) -> None:
        """Place an invocation, on an idle sandbox if there is one."""
        if self._idle:
            _, worker = self._idle.popitem()
            worker.assign(call)
        elif 0 < self.config.max_instances <= len(self._workers):
            body = error_body("Sebsx.Throttled", f"more than {self.config.max_instances} concurrent invocations")
            status = Status.THROTTLED
            call.client.respond(HTTP_CODES[status], body, f"X-Sebsx-Status: {status.value}\r\n")
        else:
            worker = Worker(self, call, self._parking.take())
            self._workers[worker.id] = worker
            self._most = max(self._most, len(self._workers))
            self._tasks.add(worker.task)
            worker.task.add_done_callback(self._tasks.discard)

    def became_idle(self, worker: Worker) -> None:
        """Keep a sandbox for the next invocation."""
        first = not self._idle
        self._idle[worker.id] = worker
        self._used = perf_counter()
        if self._quiet is None and self._parking.lacks(self._wanted):
            self._quiet = self._loop.call_later(_QUIET_S, self._park_if_quiet)
        lifetime_s = self._keep_alive.lifetime_s()
        if lifetime_s is not None:
            worker.expires = perf_counter() + lifetime_s
            self._reap_at(worker.expires)
        elif first and self._keep_alive.period_s is not None:  # the clock starts when there is something to evict
            self._reap_in(self._keep_alive.period_s)

    def forget(self, worker: Worker) -> None:
        """Take a sandbox that is ending out of the pool. Harmless twice."""
        self._idle.pop(worker.id, None)
        if self._workers.pop(worker.id, None) is not None:
            self._logs.append((worker.id, worker.log))

    async def force_cold(self) -> None:
        """See to it that no sandbox that is there now gets another invocation.

        Returns when all that the idle ones held is released: that work must not compete with the cold start to come.
        """
        self._most = max(1, len(self._workers))
        self._retire()
        if ending := self._tasks - {worker.task for worker in self._workers.values()}:
            await asyncio.wait(ending)
        await self._parking.fill(self._wanted)

    def update(self, config: PoolConfig) -> None:
        """Change what is asked; sandboxes made for the former configuration get no further invocation."""
        self.config = config
        self._keep_alive = keep_alive(config.keep_alive_policy, config.keep_alive_s, config.keep_alive_seed)
        self._retire()
        self._park()

    async def close(self) -> None:
        """End every sandbox and return when all they held is released."""
        for worker in list(self._workers.values()):
            worker.end()
        for timer in (self._reaper, self._quiet):
            if timer is not None:
                timer.cancel()
        await self._parking.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def spec(self, sandbox_id: str) -> SandboxSpec:
        """Return what a sandbox of this deployment has to be, but for its environment."""
        config = self.config
        return SandboxSpec(
            id=sandbox_id,
            deployment=config.name,
            memory_mib=config.memory_mib,
            environment={},
            options=config.options,
            vcpu=config.vcpu,
        )

    def state(self) -> dict[str, str]:
        """Return the state of each sandbox that is not ending, by id."""
        return {worker.id: worker.state.name.lower() for worker in self._workers.values()}

    def logs(self) -> dict[str, str]:
        """Return the last output of each sandbox, the most recently ended ones and the living, by id."""
        ended = {sandbox: log.text() for sandbox, log in self._logs}
        return ended | {worker.id: worker.log.text() for worker in self._workers.values()}

    @property
    def _wanted(self) -> int:
        """How many sandboxes to come are to be prepared."""
        return min(self._most, self.config.max_instances or _MOST_PARKED, _MOST_PARKED)

    def _park_if_quiet(self) -> None:
        """Prepare what is lacking, or look again later where a call was in hand meanwhile."""
        self._quiet = None
        if len(self._idle) < len(self._workers) or perf_counter() - self._used < _QUIET_S:
            self._quiet = self._loop.call_later(_QUIET_S, self._park_if_quiet)
        else:
            self._park()

    def _park(self) -> None:
        task = self._loop.create_task(self._parking.fill(self._wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _retire(self) -> None:
        for worker in list(self._workers.values()):
            worker.retire()

    def _reap_at(self, when: float) -> None:
        """Wake up at a time, unless an earlier one is set already."""
        delay = max(0.0, when - perf_counter())
        if self._reaper is None or self._loop.time() + delay < self._reaper.when():
            self._reap_in(delay)

    def _reap_in(self, delay_s: float) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        self._reaper = self._loop.call_later(delay_s, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        if self._keep_alive.period_s is not None:
            for worker in list(self._idle.values())[: self._keep_alive.evictions(len(self._idle))]:
                worker.end()
            if self._idle:
                self._reap_in(self._keep_alive.period_s)
            return
        now = perf_counter()
        for worker in list(self._idle.values()):
            if worker.expires <= now:
                worker.end()
        if self._idle:
            self._reap_at(min(worker.expires for worker in self._idle.values()))
