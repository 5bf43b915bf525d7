"""Requests, a first-in-first-out queue and workers that come as a policy says, as a discrete-event simulation.

Fed with times that were measured, it carries a run beyond the processors of its machine.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.system.lazy import require
from sebsx_serving.loads import RAMP
from sebsx_serving.policies import observed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from sebsx_serving.loads import ServingLoad
    from sebsx_serving.policies import ScalingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCosts:
    """What was measured of a server, and what a simulation is fed with.

    Args:
        service_s: Times of inferences, drawn from with replacement.
        thread_s: From the decision until another worker of the same process takes requests.
        boot_s: The same for a worker that is a process or sandbox of its own: boot and load.
        base_bytes: Memory of a sandbox with one worker.
        thread_bytes: Memory that another worker of the same process adds.
    """

    service_s: Sequence[float]
    thread_s: float = 0.0
    boot_s: float = 0.0
    base_bytes: float = 0.0
    thread_bytes: float = 0.0

    def starting_s(self, policy: ScalingPolicy) -> float:
        """Return how long a further worker of a policy takes to start."""
        return self.boot_s if policy.mode == "processes" else self.thread_s

    def memory(self, policy: ScalingPolicy, workers: int) -> float:
        """Return what so many workers of a policy hold."""
        if policy.mode == "processes":
            return workers * self.base_bytes
        return self.base_bytes + max(0, workers - 1) * self.thread_bytes


@dataclass(slots=True)
class Course:
    """What happened over time, simulated or real.

    Attributes:
        duration_s: How long it went on.
        ended_s: When each request was answered, in the order of the answers.
        latency_s: Its time since it was due.
        workers: (time, workers) at each change.
        memory: (time, bytes) at each look.
        unanswered: How many requests failed, or still waited in the end: later than all that were answered.
    """

    duration_s: float
    ended_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    workers: list[tuple[float, int]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    unanswered: int = 0

    @property
    def worker_s(self) -> float:
        """Time of all workers together: processor time that was reserved."""
        ends = [*(time for time, _ in self.workers[1:]), self.duration_s]
        return sum(number * (max(end, begin) - begin) for (begin, number), end in zip(self.workers, ends, strict=True))


def simulate(
    policy: ScalingPolicy, load: ServingLoad, costs: ServerCosts, *, most: int, period_s: float = 5.0, seed: int = 0
) -> Course:
    """Return the course of a load under a policy.

    Args:
        policy: How many workers there are.
        load: What comes.
        costs: What was measured.
        most: Cap on the workers, each of which has a processor.
        period_s: From one look of the policy to the next.
        seed: Of thinking and service times.

    Raises:
        MissingDependencyError: If SimPy is not installed.
    """
    return _Simulation(policy, load, costs, most, period_s, seed).run()


class _Simulation:
    def __init__(
        self, policy: ScalingPolicy, load: ServingLoad, costs: ServerCosts, most: int, period_s: float, seed: int
    ) -> None:
        simpy = require("simpy", extra="lab")
        self._policy, self._load, self._costs, self._most, self._period_s = policy, load, costs, most, period_s
        self._rng = random.Random(seed)  # noqa: S311  # a seeded simulation, not a secret
        self._env = simpy.Environment()
        self._queue = simpy.Store(self._env)
        self._course = Course(load.duration_s)
        self._wanted = 0
        self._waiting: dict[int, float] = {}  # number -> due
        self._window: list[float] = []
        self._busy_s = self._workers_s = 0.0
        self._counted_s = 0.0
        self._ready = self._working = 0

    def run(self) -> Course:
        """Return the course up to the end of the load; what waits then is unanswered."""
        self._widen(self._policy.first(self._most), at_once=True)
        self._env.process(self._ramp() if self._load.kind == RAMP else self._crowd())
        self._env.process(self._control())
        self._env.run(until=self._load.duration_s)
        self._course.unanswered = len(self._waiting)
        return self._course

    def _widen(self, workers: int, *, at_once: bool = False) -> None:
        if workers <= self._wanted and not at_once:
            return
        delay_s = 0.0 if at_once else self._costs.starting_s(self._policy)
        for _ in range(workers - self._wanted):
            self._env.process(self._work(delay_s))
        self._wanted = workers
        now = self._env.now
        self._course.workers.append((now, workers))
        self._course.memory.append((now, self._costs.memory(self._policy, workers)))

    def _control(self) -> Iterator[Any]:
        while True:
            yield self._env.timeout(self._period_s)
            self._count_workers()
            waiting = [self._env.now - due for due in self._waiting.values()]
            seen = observed(self._window, waiting, self._busy_s, self._workers_s)
            self._window, self._busy_s, self._workers_s = [], 0.0, 0.0
            self._widen(self._policy.next(self._wanted, seen, self._most))

    def _count_workers(self) -> None:
        """Add up the time of all workers, and of those that work: whatever changes either number comes after this."""
        self._workers_s += self._ready * (self._env.now - self._counted_s)
        self._busy_s += self._working * (self._env.now - self._counted_s)
        self._counted_s = self._env.now

    def _work(self, delay_s: float) -> Generator[Any, Any, None]:
        yield self._env.timeout(delay_s)
        self._count_workers()
        self._ready += 1
        while True:
            number, due, answered = yield self._queue.get()
            self._count_workers()
            self._working += 1
            yield self._env.timeout(self._rng.choice(self._costs.service_s))
            self._count_workers()
            self._working -= 1
            del self._waiting[number]
            latency_s = self._env.now - due
            self._window.append(latency_s)
            self._course.ended_s.append(self._env.now)
            self._course.latency_s.append(latency_s)
            answered.succeed()

    def _send(self, number: int) -> Any:
        """Let a request arrive now; return the event of its answer."""
        answered = self._env.event()
        self._waiting[number] = self._env.now
        self._widen(self._policy.on_arrival(self._wanted, len(self._waiting), self._most))
        self._queue.put((number, self._env.now, answered))
        return answered

    def _ramp(self) -> Iterator[Any]:
        for number, due_s in enumerate(self._load.times_s):
            yield self._env.timeout(due_s - self._env.now)
            self._send(number)

    def _crowd(self) -> Iterator[Any]:
        joining = [(user / self._load.spawn_rate, user) for user in range(self._load.users)]
        heapq.heapify(joining)
        while joining:
            at_s, user = heapq.heappop(joining)
            yield self._env.timeout(at_s - self._env.now)
            self._env.process(self._user(user))

    def _user(self, user: int) -> Iterator[Any]:
        number = user
        while True:
            yield self._send(number)
            number += self._load.users
            yield self._env.timeout(self._rng.uniform(*self._load.think_s))
