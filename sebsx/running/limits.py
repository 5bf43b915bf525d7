"""What a run may spend at most: money, invocations and time; beyond it the run stops and keeps all it has."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NoReturn

from sebsx.errors import LimitReachedError, UserError
from sebsx.model import StartType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Cell, Deployment, Invocation

WAIT_S = 60.0
"""How long a run waits for records, unless it is told otherwise."""
_NO_BUDGET = "so that --budget-usd cannot be held; use --max-invocations or --max-time"
_INITIALISED = frozenset({StartType.COLD, StartType.RESTORED})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user allows; None for no limit.

    Args:
        budget_usd: Money, for what platforms charge by their price book.
        max_invocations: Invocations, warm-ups and failed ones too.
        max_time_s: Time from the beginning of the run, or of its resumption.
        records_wait_s: Time to wait for a provider's late records, for each function; None for a minute.
    """

    budget_usd: float | None = None
    max_invocations: int | None = None
    max_time_s: float | None = None
    records_wait_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a limit that no sum reaches.

        Raises:
            UserError: If one is negative, infinite or not a number.
        """
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not 0 <= value < math.inf:  # never true of NaN
                raise UserError(
                    f"--{item.name.replace('_', '-')} {value!r} is not a limit; give a finite number above 0"
                )

    def check(self, platforms: Iterable[Platform[Any]], cells: Iterable[Cell] = ()) -> None:
        """Refuse a budget where prices are unknown.

        Args:
            platforms: Of the run.
            cells: Of its design: what they ask for beside memory needs a price, too.

        Raises:
            UserError: If a platform of the run has no price.
        """
        if self.budget_usd is None:
            return
        platforms = list(platforms)
        for platform in platforms:
            prices, least_mib = platform.context.prices, int(platform.memory_mib.smallest)
            if prices.most_usd(platform, least_mib, platform.architectures[0], 1.0) is None:
                raise UserError(f"platform {platform.name!r} has no prices, {_NO_BUDGET}")
        by_name = {platform.name: platform for platform in platforms}
        asked = {(cell.factors.get("platform"), cell.provision) for cell in cells if cell.unsupported is None}
        for name, provision in asked:
            if provision is None or name not in by_name or not provision.options:
                continue
            platform, options = by_name[name], dict(provision.options_offered)
            prices, where = platform.context.prices, (platform, provision.memory_offered_mib, platform.architectures[0])
            costs = prices.most_usd(*where, 1.0, options), prices.ready_usd_s(*where, options)
            if None in costs:
                raise UserError(f"platform {name!r} has no prices with {provision.label}, {_NO_BUDGET}")


class Meter:
    """Counts what a run has used, and stops it before it goes beyond its limits.

    What was let through and is not counted yet holds its share of the limits.

    Args:
        limits: What is allowed.
        invocations: Used before, by a run that is resumed.
        spent_usd: Spent before.
    """

    def __init__(self, limits: Limits, invocations: int = 0, spent_usd: float = 0.0) -> None:
        self.invocations = invocations
        self.spent_usd = spent_usd
        self.records_wait_s = WAIT_S if limits.records_wait_s is None else limits.records_wait_s
        self._limits = limits
        self._started_s = time.monotonic()
        # All by deployment.
        self._let_through: dict[str, int] = {}
        self._each_usd: dict[str, float] = {}  # the most that its next invocation costs
        self._dearest_usd: dict[str, float] = defaultdict(float)  # of one invocation
        self._initialised: set[str] = set()  # those of which a cold invocation was counted

    @property
    def time_left_s(self) -> float | None:
        """Time until the limit; None without one."""
        limit_s = self._limits.max_time_s
        return None if limit_s is None else limit_s - (time.monotonic() - self._started_s)

    def allow(self, platform: Platform[Any], deployment: Deployment, invocations: int = 1) -> None:
        """Let so many invocations be sent, or stop the run.

        The next invocation is taken to cost as much as the most expensive so far. Until there was one it is taken to
        last until the time-out, and until there was a cold one, to be initialised for as long as is billed at most.

        Raises:
            LimitReachedError: If a limit would be exceeded.
        """
        limits, waiting = self._limits, self._let_through
        most = limits.max_invocations
        if most is not None and self.invocations + sum(waiting.values()) + invocations > most:
            raise LimitReachedError(f"limit of {most} invocations reached")
        left_s = self.time_left_s
        if left_s is not None and left_s <= 0:
            self.out_of_time()
        if limits.budget_usd is not None:
            if deployment.id not in self._each_usd:
                self._each_usd[deployment.id] = self._next_usd(platform, deployment)
            reserved_usd = sum(number * self._each_usd[name] for name, number in waiting.items())
            next_usd = invocations * self._each_usd[deployment.id]
            if self.spent_usd + reserved_usd + next_usd > limits.budget_usd:
                under_way = f", {reserved_usd:.6f} kept for what is under way" if reserved_usd else ""
                raise LimitReachedError(
                    f"budget of {limits.budget_usd:g} USD reached, {self.spent_usd:.6f} USD spent{under_way}, "
                    f"up to {next_usd:.6f} for what is next"
                )
        waiting[deployment.id] = waiting.get(deployment.id, 0) + invocations

    def out_of_time(self) -> NoReturn:
        """Stop the run for its time.

        Raises:
            LimitReachedError: Always.
        """
        raise LimitReachedError(f"limit of {self._limits.max_time_s:g} s reached")

    def used(self, platform: Platform[Any], deployment: Deployment, invocations: Sequence[Invocation]) -> None:
        """Count what was sent; what has no price yet is taken to be billed for as long as the client waited."""
        # What was sent again was paid for at most as often as it was sent.
        self.invocations += sum(item.attempts for item in invocations)
        left = self._let_through.pop(deployment.id, 0) - len(invocations)
        if left > 0:
            self._let_through[deployment.id] = left
        if self._limits.budget_usd is None:
            return
        for item in invocations:
            cost_usd = item.cost_usd
            if cost_usd is None:
                restored = item.start_type is StartType.RESTORED
                cost_usd = cost_of(platform, deployment, item.latency_s, item.latency_s if restored else 0.0)
            self.spent_usd += cost_usd * item.attempts
            self._dearest_usd[deployment.id] = max(self._dearest_usd[deployment.id], cost_usd)
            if item.start_type in _INITIALISED:
                self._initialised.add(deployment.id)
        self._each_usd[deployment.id] = self._next_usd(platform, deployment)

    def ready(self, cost_usd: float) -> None:
        """Count what sandboxes cost that were kept ready; what is next then has less to spend."""
        self.spent_usd += cost_usd

    def _next_usd(self, platform: Platform[Any], deployment: Deployment) -> float:
        dearest_usd = self._dearest_usd[deployment.id]
        if dearest_usd and deployment.id in self._initialised:
            return dearest_usd
        timeout_s = deployment.config.timeout_s
        most_usd = cost_of(platform, deployment, timeout_s, platform.init_timeout_s)
        return dearest_usd + most_usd - cost_of(platform, deployment, timeout_s) if dearest_usd else most_usd


def cost_of(platform: Platform[Any], deployment: Deployment, duration_s: float, init_s: float = 0.0) -> float:
    """Return the cost of an invocation of a duration, and of an initialisation before it; 0 where it costs nothing."""
    effective, config = deployment.effective, deployment.config
    memory_mib = effective.get("memory_mib", config.memory_mib)
    architecture = effective.get("architecture", config.architecture)
    options = platform.options_of(deployment)
    return platform.context.prices.estimate_usd(platform, memory_mib, architecture, duration_s, init_s, options) or 0.0


def ready_usd(platform: Platform[Any], deployment: Deployment, seconds: float) -> float:
    """Return what sandboxes cost that are kept ready for a function; 0 where there are none, or no price.

    Those of a function that existed are there without the run, too.
    """
    if deployment.adopted:
        return 0.0
    effective, config = deployment.effective, deployment.config
    memory_mib = effective.get("memory_mib", config.memory_mib)
    architecture = effective.get("architecture", config.architecture)
    options = platform.options_of(deployment)
    return (platform.context.prices.ready_usd_s(platform, memory_mib, architecture, options) or 0.0) * seconds


def described(limits: Limits) -> Mapping[str, Any]:
    """Return the limits as they are stored with a run."""
    return {name: getattr(limits, name) for name in Limits.__dataclass_fields__ if getattr(limits, name) is not None}
