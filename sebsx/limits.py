"""What a run may spend at most: money, invocations and time; beyond it the run stops and keeps all it has."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from sebsx.errors import LimitReachedError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.model import Deployment, Invocation
    from sebsx.platforms import Platform


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user allows; None for no limit.

    Args:
        budget_usd: Money, for what platforms charge by their price book.
        max_invocations: Invocations, warm-ups and failed ones too.
        max_time_s: Time from the beginning of the run, or of its resumption.
    """

    budget_usd: float | None = None
    max_invocations: int | None = None
    max_time_s: float | None = None

    def check(self, platforms: Iterable[Platform[Any]]) -> None:
        """Refuse a budget where nobody knows what anything costs.

        Raises:
            UserError: If a platform of the run has no price.
        """
        if self.budget_usd is None:
            return
        for platform in platforms:
            if platform.estimate_usd(platform.memory_mib[0], platform.architectures[0], 1.0) is None:
                raise UserError(
                    f"platform {platform.name!r} has no prices, so that --budget-usd cannot be held; "
                    "use --max-invocations or --max-time"
                )


class Meter:
    """Counts what a run has used, and stops it before it goes beyond its limits.

    Args:
        limits: What is allowed.
        invocations: Used before, by a run that is resumed.
        spent_usd: Spent before.
    """

    def __init__(self, limits: Limits, invocations: int = 0, spent_usd: float = 0.0) -> None:
        self.invocations = invocations
        self.spent_usd = spent_usd
        self._limits = limits
        self._started_s = time.monotonic()
        self._dearest_usd: dict[str, float] = defaultdict(float)  # of one invocation, by deployment

    @property
    def time_left_s(self) -> float | None:
        """Time until the limit; None without one."""
        limit_s = self._limits.max_time_s
        return None if limit_s is None else limit_s - (time.monotonic() - self._started_s)

    def allow(self, platform: Platform[Any], deployment: Deployment, invocations: int = 1) -> None:
        """Let so many invocations be sent, or stop the run.

        The cost of the next invocation is taken to be that of the dearest so far, or of one that lasts until the
        time-out where there was none: the budget is an upper bound.

        Raises:
            LimitReachedError: If a limit would be exceeded.
        """
        limits = self._limits
        if limits.max_invocations is not None and self.invocations + invocations > limits.max_invocations:
            raise LimitReachedError(f"limit of {limits.max_invocations} invocations reached")
        left_s = self.time_left_s
        if left_s is not None and left_s <= 0:
            self.out_of_time()
        if limits.budget_usd is not None:
            each_usd = self._dearest_usd[deployment.id] or cost_of(platform, deployment, deployment.config.timeout_s)
            if self.spent_usd + invocations * each_usd > limits.budget_usd:
                raise LimitReachedError(f"budget of {limits.budget_usd:g} USD reached, {self.spent_usd:.6f} USD spent")

    def out_of_time(self) -> NoReturn:
        """Stop the run for its time.

        Raises:
            LimitReachedError: Always.
        """
        raise LimitReachedError(f"limit of {self._limits.max_time_s:g} s reached")

    def used(self, platform: Platform[Any], deployment: Deployment, invocations: Sequence[Invocation]) -> None:
        """Count what was sent; what has no price yet is taken to be billed for as long as the client waited."""
        self.invocations += len(invocations)
        if self._limits.budget_usd is None:
            return
        for item in invocations:
            cost_usd = item.cost_usd
            if cost_usd is None:
                cost_usd = cost_of(platform, deployment, item.latency_s)
            self.spent_usd += cost_usd
            self._dearest_usd[deployment.id] = max(self._dearest_usd[deployment.id], cost_usd)


def cost_of(platform: Platform[Any], deployment: Deployment, duration_s: float) -> float:
    """Return the cost of an invocation that is billed for a duration; 0 where it costs nothing."""
    effective, config = deployment.effective, deployment.config
    memory_mib = effective.get("memory_mib", config.memory_mib)
    architecture = effective.get("architecture", config.architecture)
    return platform.estimate_usd(memory_mib, architecture, duration_s) or 0.0


def described(limits: Limits) -> Mapping[str, Any]:
    """Return the limits as they are stored with a run."""
    return {name: getattr(limits, name) for name in Limits.__dataclass_fields__ if getattr(limits, name) is not None}
