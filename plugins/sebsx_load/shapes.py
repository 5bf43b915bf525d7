"""The shape of a load, from words to a schedule."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import Arrivals, Open, Users, constant, ramp, steps
from sebsx.reading.units import parse_duration, parse_durations, parse_range
from sebsx.sending.trace import read_trace
from sebsx.settings import setting
from sebsx.system.homes import expanded

if TYPE_CHECKING:
    from sebsx.contracts.schedules import Schedule, Stretch

_DEFAULT_S = 30.0
# One process sends some thousand requests a second; what is far beyond is a slip.
_MOST = 100_000
_SHAPES = ("rate", "steps", "users", "burst", "trace")
# Settings that only some shapes have.
_BELONGS = {
    "ramp": ("rate",),
    "arrivals": ("rate", "steps"),
    "step": ("steps",),
    "spawn_rate": ("users",),
    "think": ("users",),
    "duration": ("rate", "users"),
    "requests": ("rate", "steps", "users"),
    "speed": ("trace",),
    "max_in_flight": ("rate", "steps", "burst", "trace"),  # users are a cap themselves
}


# How the settings that are texts are read.
_READ = {
    "rate": parse_range,
    "ramp": parse_duration,
    "step": parse_duration,
    "duration": parse_duration,
    "think": parse_durations,
}


@dataclass(frozen=True)
class LoadSettings:
    """What to send, where, and when."""

    benchmark: str = setting("", help="name or folder of the benchmark", positional="NAME|FOLDER")
    functions: tuple[str, ...] = setting((), help="functions of the benchmark; default: its first", option="--function")
    variants: tuple[str, ...] = setting(
        (), help="variants of the benchmark; default, and the empty word: its code as it is", option="--variant"
    )
    rate: str = setting("", help="requests a second: `50`, or `0..100` for a ramp", metavar="RATE")
    ramp: str = setting("", help="time of the ramp, as `60s` or `2m`; default: all of `duration`", metavar="TIME")
    steps: tuple[float, ...] = setting(
        (), help="requests a second of each step, as `10,20,40`", minimum=0, maximum=_MOST
    )
    step: str = setting("30s", help="time of each step", metavar="TIME")
    arrivals: str = setting(
        "constant", help="spacing of requests at a rate or in steps", choices=("constant", "poisson")
    )
    users: int = setting(
        0, help="users of a closed loop: each sends, waits, thinks, and sends again", minimum=0, maximum=_MOST
    )
    spawn_rate: float = setting(0.0, help="new users a second; 0 for all at once", minimum=0)
    think: str = setting("0", help="time between an answer and the user's next request, as `2s..3s`", metavar="TIME")
    burst: int = setting(0, help="requests sent at once", minimum=0, maximum=_MOST)
    trace: str = setting("", help="CSV file of arrival times to replay, in s or ISO 8601", metavar="FILE")
    speed: float = setting(1.0, help="factor by which a trace is replayed faster", minimum=1e-6)
    duration: str = setting(
        "", help="how long a rate or users last, as `30s`; default: 30 s, or until `requests` are sent", metavar="TIME"
    )
    requests: int = setting(
        0, help="maximum number of requests; 0 for as many as time allows", minimum=0, maximum=10**9
    )
    max_in_flight: int = setting(
        1000, help="a request that is due while this many are in flight is dropped; 0 for no cap", minimum=0
    )
    warmups: int = setting(1, help="uncounted simultaneous calls at the start", minimum=0)
    size: str = setting("", help="input size, as the benchmark names it; default: `small` or its only one")
    parameters: dict[str, str] = setting(
        {}, help="parameters of the benchmark on top of its size", option="--parameter"
    )
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; default: the benchmark's setting", option="--memory"
    )
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    language: str = setting("python", help="language of the function's code")
    timeout_s: float = setting(0.0, help="time-out of the function; 0 for the benchmark's setting", minimum=0)

    def __post_init__(self) -> None:
        shapes = [name for name in _SHAPES if getattr(self, name)]
        if len(shapes) > 1:
            raise ValueError(f"{' and '.join(f'`{name}`' for name in shapes)} are different loads; give one of them")
        for name, owners in _BELONGS.items():
            if (
                shapes
                and shapes[0] not in owners
                and getattr(self, name) != type(self).__dataclass_fields__[name].default
            ):
                belongs = " or ".join(f"`{owner}`" for owner in owners)
                raise ValueError(f"`{name}` says nothing of a load by `{shapes[0]}`; it belongs to {belongs}")
        self._check_texts()
        low, high = self.rates
        if self.rate and not 0 < max(low, high) <= _MOST:
            raise ValueError(
                f"`rate` {self.rate!r}: must be more than 0, at least at one end, and at most {_MOST} requests a second"
            )
        if self.steps and not any(self.steps):
            raise ValueError("`steps`: one must have a rate above 0")
        if self.ramp and low == high:
            raise ValueError("`ramp` goes from one rate to another: write `rate` as 0..100")
        if self.duration and self.ramp and parse_duration(self.duration) < parse_duration(self.ramp):
            raise ValueError("`duration` must be at least as long as `ramp`")
        for name in ("ramp", "step", "duration"):
            if getattr(self, name) and parse_duration(getattr(self, name)) <= 0:
                raise ValueError(f"`{name}` must be more than 0")

    def _check_texts(self) -> None:
        for name, read in _READ.items():
            try:
                read(getattr(self, name) or "0")
            except ValueError as exc:  # it begins with what was given
                raise ValueError(f"`{name}` {exc}") from None

    @property
    def cap(self) -> int | None:
        """Most requests in flight; None for no cap, as where each user has but one."""
        return None if self.shape == "users" else self.max_in_flight or None

    @property
    def changed(self) -> frozenset[str]:
        """Names of the settings that differ from their defaults."""
        fields = dataclasses.fields(self)
        return frozenset(field.name for field in fields if getattr(self, field.name) != field.default)

    @property
    def shape(self) -> str:
        """Which kind of load; empty where none was chosen."""
        return next((name for name in _SHAPES if getattr(self, name)), "")

    @property
    def rates(self) -> tuple[float, float]:
        """First and last rate; equal for a constant one."""
        return parse_range(self.rate) if self.rate else (0.0, 0.0)

    @property
    def think_s(self) -> tuple[float, float]:
        """Shortest and longest time between an answer and the next request."""
        return parse_durations(self.think)

    @property
    def duration_s(self) -> float | None:
        """How long requests are sent; None where only their number ends it."""
        if self.duration:
            return parse_duration(self.duration)
        if self.shape == "rate":
            low, high = self.rates
            if self.ramp:
                return parse_duration(self.ramp)
            return self.requests / high if self.requests and low == high else _DEFAULT_S
        return None if self.requests else _DEFAULT_S

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The rate over time, of a load by rate or in steps."""
        if self.shape == "steps":
            return steps(self.steps, parse_duration(self.step))
        low, high = self.rates
        duration_s = self.duration_s or _DEFAULT_S
        if low == high:
            return constant(high, duration_s)
        return ramp(low, high, parse_duration(self.ramp) if self.ramp else duration_s, duration_s)

    @property
    def trace_sha256(self) -> str:
        """Beginning of the digest of the trace's file, which tells it from others of its name."""
        with expanded(self.trace).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]

    def schedule(self, seed: int) -> Schedule:
        """Return when requests are due.

        Raises:
            UserError: If the trace cannot be replayed.
        """
        requests = self.requests or None
        if self.shape == "users":
            return Users(
                self.users,
                spawn_rate=self.spawn_rate or None,
                think_s=self.think_s,
                duration_s=self.duration_s,
                requests=requests,
                seed=seed,
            )
        if self.shape == "burst":
            return Arrivals([0.0] * self.burst)
        if self.shape == "trace":
            return read_trace(expanded(self.trace), self.speed)
        return Open(self.stretches, seed=seed if self.arrivals == "poisson" else None, requests=requests)

    def expected(self, call_s: float | None) -> tuple[int, float | None]:
        """Return about how many requests there will be and how long they take, for a plan.

        Args:
            call_s: What a call takes; None if unknown.
        """
        schedule = self.schedule(0)
        if isinstance(schedule, Open):
            return max(1, round(schedule.expected)), schedule.duration_s + (call_s or 0.0)
        if isinstance(schedule, Arrivals):
            last_s = schedule.times_s[-1]
            return len(schedule.times_s), None if call_s is None else last_s + call_s
        cycle_s = (call_s or 0.0) + sum(self.think_s) / 2
        if self.requests:
            return self.requests, self.requests * cycle_s / self.users if call_s is not None else None
        assert self.duration_s is not None
        return max(self.users, math.floor(self.users * self.duration_s / (cycle_s or 1.0))), self.duration_s

    @property
    def words(self) -> str:
        """The load in a few words, for tables."""
        if self.shape == "users":
            return f"{self.users} users"
        if self.shape == "burst":
            return f"burst of {self.burst}"
        if self.shape == "trace":
            return f"trace {Path(self.trace).name}" + (f" x{self.speed:g}" if self.speed != 1 else "")
        rates = ",".join(f"{rate:g}" for rate in self.steps) if self.shape == "steps" else self.rate
        return f"{rates}/s" + (" poisson" if self.arrivals == "poisson" else "")
