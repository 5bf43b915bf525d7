"""When requests are due. A schedule is pure: it is asked, and knows no clock and no client.

Open loops (`Open`, `Arrivals`) say when a request is due whether or not earlier ones were answered; closed loops
(`Closed`, `Users`) wait for answers. Long schedules are not lists: arrivals are computed one by one.
"""

from __future__ import annotations

import heapq
import math
import random
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from itertools import count, islice, pairwise, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OVER = math.inf
"""What a schedule answers when no request is due any more."""


class Schedule(ABC):
    """Decides when each request is due."""

    @property
    @abstractmethod
    def total(self) -> int | None:
        """How many requests there are; None where only time and answers decide."""

    @abstractmethod
    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return when request number `sent` (from 0) is due, in seconds since the start.

        Args:
            elapsed_s: Time since the start.
            sent: Requests sent so far; grows by one between two questions at most.
            done: Requests answered so far.

        Returns:
            A time not after `elapsed_s` to send now, a later one to wait for, None to wait for an answer,
            `OVER` when there are no more.
        """

    @property
    def overlaps(self) -> bool:
        """Whether calls may be in flight at the same time: more than one user, a burst, any open loop."""
        return True

    @property
    def is_open(self) -> bool:
        """Whether calls have times of their own, which do not wait for answers."""
        return False

    def split(self, count: int) -> tuple[Schedule, ...]:
        """Divide it among so many senders that begin together: their calls are its calls, each sent by one of them.

        Some parts may have no calls, where there are fewer calls or users than senders.

        Raises:
            TypeError: If it cannot be divided, because what is due is decided while it goes on.
        """
        raise TypeError(f"a schedule of {type(self).__name__} cannot be divided among senders")

    def begin(self) -> Schedule:
        """Return what is asked during one drive; a schedule that remembers gives a fresh one each time."""
        return self

    def answered(self, elapsed_s: float) -> None:  # noqa: B027  # most schedules need not know
        """Hear that a request was answered (or dropped) at a time since the start."""


@dataclass(frozen=True, slots=True)
class Closed(Schedule):
    """Closed loop: `users` requests in flight, each followed at once by the next."""

    invocations: int
    _: KW_ONLY
    users: int = 1

    @property
    def total(self) -> int:
        """How many requests there are."""
        return self.invocations

    @property
    def overlaps(self) -> bool:
        """Whether there is more than one user, and something for the second."""
        return min(self.users, self.invocations) > 1

    def split(self, count: int) -> tuple[Closed, ...]:
        """Divide the users, and the requests by how many users a sender has."""
        users = _shares(self.users, count)
        shares = _shares(self.invocations, count, users)
        return tuple(Closed(share, users=mine) for share, mine in zip(shares, users, strict=True))

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return now while a user is free."""
        if sent >= self.invocations:
            return OVER
        return elapsed_s if sent - done < self.users else None


@dataclass(frozen=True, slots=True)
class Arrivals(Schedule):
    """Open loop: request i is due at `times_s[i]`, whether or not earlier ones were answered.

    A burst is `Arrivals([0.0] * n)`.
    """

    times_s: Sequence[float]

    @property
    def total(self) -> int:
        """How many requests there are."""
        return len(self.times_s)

    @property
    def overlaps(self) -> bool:
        """Whether there is more than one."""
        return len(self.times_s) > 1

    @property
    def is_open(self) -> bool:
        """Yes."""
        return True

    def split(self, count: int) -> tuple[Arrivals, ...]:
        """Deal the times out, one to each sender in turn."""
        return tuple(Arrivals(self.times_s[place::count]) for place in range(count))

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return the planned time."""
        return self.times_s[sent] if sent < len(self.times_s) else OVER


@dataclass(frozen=True, slots=True)
class Users(Schedule):
    """Closed loop of people: each sends, waits for the answer, thinks, and sends again.

    Args:
        users: How many there are.
        spawn_rate: New ones a second, from the first at 0; None for all at once.
        think_s: Shortest and longest time between an answer and the next request; uniform.
        duration_s: Nothing is sent after it; None for no end.
        requests: Nothing is sent after so many; None for no end.
        seed: Of the thinking.
        first_s: When the first user comes.
    """

    users: int
    _: KW_ONLY
    spawn_rate: float | None = None
    think_s: tuple[float, float] = (0.0, 0.0)
    duration_s: float | None = None
    requests: int | None = None
    seed: int = 0
    first_s: float = 0.0

    @property
    def total(self) -> int | None:
        """How many requests there are, if that is fixed."""
        return self.requests

    @property
    def overlaps(self) -> bool:
        """Whether there is more than one user, and something for the second."""
        return self.users > 1 and (self.requests is None or self.requests > 1)

    def split(self, count: int) -> tuple[Users, ...]:
        """Deal the users out as they come, and the requests by how many users a sender has."""
        users = [len(range(place, self.users, count)) for place in range(count)]
        requests = [None] * count if self.requests is None else _shares(self.requests, count, users)
        return tuple(
            Users(
                mine,
                spawn_rate=self.spawn_rate / count if self.spawn_rate else None,
                think_s=self.think_s,
                duration_s=self.duration_s,
                requests=requests[place],
                seed=random.Random(f"{self.seed}/{place}/{count}").getrandbits(48),  # noqa: S311  # a seeded design
                first_s=self.first_s + (place / self.spawn_rate if self.spawn_rate else 0.0),
            )
            for place, mine in enumerate(users)
        )

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Refuse: who is free depends on the answers of one drive."""
        raise TypeError("users are asked through begin()")

    def begin(self) -> Schedule:
        """Return the users of one drive."""
        return _Crowd(self)


class _Crowd(Schedule):
    """`Users` at work: a heap of the times at which those who are not waiting will send."""

    def __init__(self, plan: Users) -> None:
        self._plan = plan
        gap_s = 1 / plan.spawn_rate if plan.spawn_rate else 0.0
        self._ready = [plan.first_s + user * gap_s for user in range(plan.users)]  # ascending, and so a heap
        self._rng = random.Random(plan.seed)  # noqa: S311  # a seeded design, not a secret
        self._asked = 0
        self._end_s = OVER if plan.duration_s is None else plan.duration_s

    @property
    def total(self) -> int | None:
        """How many requests there are, if that is fixed."""
        return self._plan.requests

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return when the next user sends."""
        if sent > self._asked:
            self._asked = sent
            heapq.heappop(self._ready)
        if (self._plan.requests is not None and sent >= self._plan.requests) or elapsed_s >= self._end_s:
            return OVER
        if not self._plan.users:
            return OVER
        if not self._ready:
            return None
        # Nobody sends after the end; who would is free again only then.
        return self._ready[0] if self._ready[0] < self._end_s else (OVER if sent == done else None)

    def answered(self, elapsed_s: float) -> None:
        """Let one user think."""
        low, high = self._plan.think_s
        heapq.heappush(self._ready, elapsed_s + (self._rng.uniform(low, high) if high else 0.0))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time over which the rate goes in a straight line from one value to another; requests a second."""

    duration_s: float
    _: KW_ONLY
    start_rate: float
    end_rate: float

    @property
    def arrivals(self) -> float:
        """How many requests are expected in it."""
        return self.duration_s * (self.start_rate + self.end_rate) / 2

    def time_of(self, expected: float) -> float:
        """Return the time at which so many are expected since its start; 0 <= expected <= arrivals.

        With R(t) = a t + (b - a) t^2 / 2 T, the time is the root of R(t) = expected, written so that it neither
        cancels nor divides by zero when a = b: t = 2 r / (a + sqrt(a^2 + 2 r (b - a) / T)).
        """
        a, slope = self.start_rate, (self.end_rate - self.start_rate) / self.duration_s
        root = math.sqrt(max(0.0, a * a + 2 * expected * slope))
        return min(self.duration_s, 2 * expected / (a + root)) if expected else 0.0


@dataclass(frozen=True, slots=True)
class Open(Schedule):
    """Open loop at a rate that changes over time; constant, a ramp and steps are made of stretches.

    Arrival i is where the cumulative rate R(t) reaches a level: i (evenly spaced, the first at once), or with a
    `seed` the sum of i + 1 exponential variables of mean 1, which makes a Poisson process of that rate.

    Source: inversion of the cumulative rate; Cinlar, Introduction to Stochastic Processes (1975), section 4.7.

    Args:
        stretches: One after the other.
        seed: Draws a Poisson process; None spaces evenly.
        requests: At most so many; None for all.
    """

    stretches: tuple[Stretch, ...]
    _: KW_ONLY
    seed: int | None = None
    requests: int | None = None

    @property
    def total(self) -> int | None:
        """How many requests there are; None for a Poisson process, which draws their number."""
        if self.seed is not None:
            return None
        return sum(1 for _ in self.times()) if self.requests is None else self.requests

    @property
    def is_open(self) -> bool:
        """Yes."""
        return True

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return math.fsum(each.duration_s for each in self.stretches)

    @property
    def expected(self) -> float:
        """How many requests are expected."""
        arrivals = math.fsum(each.arrivals for each in self.stretches)
        return arrivals if self.requests is None else min(arrivals, self.requests)

    def times(self) -> Iterator[float]:
        """Yield the times of all arrivals in ascending order, computed one by one."""
        levels = self._levels()
        level = next(levels, math.inf)
        start_s = reached = 0.0
        for stretch in self.stretches:
            # What rounding leaves of a whole number at the end belongs to what follows, or to nobody.
            while level < reached + stretch.arrivals - 1e-9:
                yield start_s + stretch.time_of(level - reached)
                level = next(levels, math.inf)
            start_s += stretch.duration_s
            reached += stretch.arrivals

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Refuse: arrivals are drawn one after the other in one drive."""
        raise TypeError("an open loop is asked through begin()")

    def split(self, count: int) -> tuple[Schedule, ...]:
        """Deal the arrivals out, one to each sender in turn; each computes all of them, and takes its own."""
        return tuple(_Share(self, place, count) for place in range(count))

    def begin(self) -> Schedule:
        """Return the arrivals of one drive."""
        return _Stream(self.times, self.total if self.requests is not None else None)

    def _levels(self) -> Iterator[float]:
        if self.seed is None:
            levels: Iterator[float] = map(float, count())
        else:
            levels = _sums(random.Random(self.seed))  # noqa: S311  # a seeded design, not a secret
        if self.requests is None:
            return levels
        return (level for _, level in takewhile(lambda pair: pair[0] < (self.requests or 0), enumerate(levels)))


def _sums(rng: random.Random) -> Iterator[float]:
    level = 0.0
    while True:
        level += rng.expovariate(1.0)
        yield level


@dataclass(frozen=True, slots=True)
class _Share(Schedule):
    """Every so many-th arrival of an open loop."""

    whole: Open
    place: int
    count: int

    @property
    def total(self) -> int | None:
        """How many requests there are, if that is fixed."""
        total = self.whole.total
        return None if total is None else len(range(self.place, total, self.count))

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Refuse: arrivals are drawn one after the other in one drive."""
        raise TypeError("an open loop is asked through begin()")

    def begin(self) -> Schedule:
        """Return the arrivals of one drive."""
        return _Stream(lambda: islice(self.whole.times(), self.place, None, self.count), None)


class _Stream(Schedule):
    """Times that are computed one by one, asked in order."""

    def __init__(self, times: Callable[[], Iterator[float]], total: int | None) -> None:
        self._times = times()
        self._total = total
        self._number = 0
        self._next_s = next(self._times, OVER)

    @property
    def total(self) -> int | None:
        """How many requests there are, if that is fixed."""
        return self._total

    def due_s(self, elapsed_s: float, sent: int, done: int) -> float | None:
        """Return the planned time."""
        if sent > self._number:
            self._number = sent
            self._next_s = next(self._times, OVER)
        return self._next_s


def _shares(whole: int, count: int, weights: Sequence[int] | None = None) -> list[int]:
    """Return whole numbers that add up to another, as equal (or as their weights) as whole numbers can be."""
    weights = weights or [1] * count
    total = sum(weights)
    if not total:
        return [0] * count
    levels = [whole * sum(weights[:place]) // total for place in range(count + 1)]
    return [after - before for before, after in pairwise(levels)]


def constant(rate: float, duration_s: float) -> tuple[Stretch, ...]:
    """Return one stretch at one rate, in requests a second."""
    return (Stretch(duration_s, start_rate=rate, end_rate=rate),)


def ramp(start_rate: float, end_rate: float, ramp_s: float, duration_s: float) -> tuple[Stretch, ...]:
    """Return a ramp, and the rest of `duration_s` at the rate that it reached."""
    slope = Stretch(ramp_s, start_rate=start_rate, end_rate=end_rate)
    return (slope, *(constant(end_rate, duration_s - ramp_s) if duration_s > ramp_s else ()))


def steps(rates: Sequence[float], step_s: float) -> tuple[Stretch, ...]:
    """Return as many stretches as there are rates, each of the same length."""
    return tuple(Stretch(step_s, start_rate=rate, end_rate=rate) for rate in rates)
