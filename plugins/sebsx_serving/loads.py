"""The two loads of the study: users that join and think, and a rate that grows in a line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.schedules import Open, Users, ramp

if TYPE_CHECKING:
    from sebsx.contracts.schedules import Schedule

USERS, RAMP = "users", "ramp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLoad:
    """One load.

    Args:
        kind: `users` or `ramp`.
        users: How many people there are in the end.
        spawn_rate: How many of them join each second.
        think_s: Shortest and longest time between an answer and the next request.
        rate: Requests a second at the end of the ramp, which begins at none.
        duration_s: How long it lasts.
    """

    kind: str
    duration_s: float
    users: int = 100
    spawn_rate: float = 2.0
    think_s: tuple[float, float] = (2.0, 3.0)
    rate: float = 100.0

    @property
    def times_s(self) -> list[float]:
        """When requests of the ramp are due: request n when the area below the line is n."""
        count = math.floor(self.rate * self.duration_s / 2)
        return [math.sqrt(2 * self.duration_s * number / self.rate) for number in range(1, count + 1)]

    def event(self, seed: int) -> dict[str, Any]:
        """Return it for a function that makes the load itself."""
        if self.kind == RAMP:
            return {"times_s": [round(each, 6) for each in self.times_s]}
        return {"users": self.users, "spawn_rate": self.spawn_rate, "think_s": list(self.think_s), "seed": seed}

    def schedule(self, seed: int) -> Schedule:
        """Return it for a client that sends each request to the platform."""
        if self.kind == RAMP:
            return Open(ramp(0, self.rate, self.duration_s, self.duration_s))
        return Users(
            self.users, spawn_rate=self.spawn_rate, think_s=self.think_s, duration_s=self.duration_s, seed=seed
        )

    @property
    def expected(self) -> int:
        """About how many requests there are where answers take no time."""
        if self.kind == RAMP:
            return len(self.times_s)
        grown_s = min(self.duration_s, self.users / self.spawn_rate)
        seconds = grown_s * min(self.users, self.spawn_rate * grown_s) / 2 + (self.duration_s - grown_s) * self.users
        return max(1, round(seconds / (sum(self.think_s) / 2 or 1.0)))
