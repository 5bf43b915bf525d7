"""How long an idle sandbox lives.

A policy is asked once each time a sandbox becomes idle, or evicts by itself at fixed points in time.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

FIXED, HALVING, EXPONENTIAL = "fixed", "halving", "exponential"
POLICIES = (FIXED, HALVING, EXPONENTIAL)


class KeepAlive(ABC):
    """Says how long a sandbox stays idle before it is evicted.

    Class attributes:
        period_s: Period at which `evictions` is asked; None if never.
    """

    period_s: float | None = None

    @abstractmethod
    def lifetime_s(self) -> float | None:
        """Return how long a sandbox that becomes idle now may stay so; None for no bound."""

    def evictions(self, idle: int) -> int:
        """Return how many of the idle sandboxes to evict at the end of a period, oldest idle first."""
        return 0


class Fixed(KeepAlive):
    """Every idle spell ends after the same time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def lifetime_s(self) -> float | None:
        """Return the fixed time."""
        return self._seconds


class Halving(KeepAlive):
    """Every period, half of the idle sandboxes are evicted: D_warm = D_init * 2^-floor(elapsed / period).

    Source: Copik et al., SeBS: a serverless benchmark suite for function-as-a-service computing
    (Middleware 2021), section 6.6, the eviction model of AWS Lambda (period 380 s).
    """

    def __init__(self, seconds: float) -> None:
        self.period_s = seconds

    def lifetime_s(self) -> float | None:
        """Return None: only the period evicts."""
        return None

    def evictions(self, idle: int) -> int:
        """Return half of the idle, rounded up, so that the last one goes too."""
        return (idle + 1) // 2


class Exponential(KeepAlive):
    """Every idle spell ends after a random time, exponentially distributed with the given mean."""

    def __init__(self, seconds: float, seed: int) -> None:
        self._rate = 1 / seconds if seconds else None
        self._rng = random.Random(seed)  # noqa: S311  # a model, not a secret

    def lifetime_s(self) -> float | None:
        """Return the next draw."""
        return self._rng.expovariate(self._rate) if self._rate else 0.0


def own_seed(seed: int, place: int) -> int:
    """Return the seed of the function that was deployed as number `place`: with one seed, all would draw the same."""
    return random.Random(f"{seed}/{place}").getrandbits(48)  # noqa: S311  # a model, not a secret


def keep_alive(policy: str, seconds: float, seed: int) -> KeepAlive:
    """Return the policy of that name, one of `POLICIES`."""
    if policy == EXPONENTIAL:
        return Exponential(seconds, seed)
    return Halving(seconds) if policy == HALVING else Fixed(seconds)
