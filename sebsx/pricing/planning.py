"""What something will cost: the cells of a plan, and from how many invocations on a machine of one's own is cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Provision


@dataclass(frozen=True, slots=True)
class PlannedCost:
    """What a cell will cost; None where there is no price, or no idea of the time.

    Args:
        expected_usd: If every invocation takes as long as it is expected to. Sandboxes that are kept ready cost while
            there are calls, one after the other; what they cost beside that depends on the order of the cells.
        most_usd: If there are as many attempts as allowed, and every one is cold and runs into its time-out.
    """

    expected_usd: float | None
    most_usd: float | None


def estimate(
    platform: Platform[Any],
    factors: Mapping[str, Any],
    calls: int,
    call_s: float | None,
    *,
    init_s: float = 0.0,
    most_calls: int | None = None,
    provision: Provision | None = None,
) -> PlannedCost:
    """Return what a cell of a plan will cost, and the most it can.

    Args:
        platform: Where it runs.
        factors: Of the cell: `memory_mib`, `architecture`, `timeout_s`.
        calls: Invocations wanted.
        call_s: Expected time of the handler; None when unknown.
        init_s: Expected time of a cold start, 0 for warm ones.
        most_calls: Cap on attempts; None for `calls`.
        provision: What the platform gives for what is asked; None where that is the same.
    """
    if provision is not None and provision.unsupported:
        return PlannedCost(None, None)
    prices = platform.context.prices
    memory_mib = factors["memory_mib"] if provision is None else provision.memory_offered_mib
    architecture, timeout_s = factors["architecture"], factors["timeout_s"]
    options = {} if provision is None else dict(provision.options_offered)
    ready = prices.ready_usd_s(platform, memory_mib, architecture, options)
    if ready is None:  # sandboxes are kept ready, and nobody knows what that costs
        return PlannedCost(None, None)
    most = prices.most_usd(platform, memory_mib, architecture, timeout_s, options)
    most_usd = None
    if most is not None:
        each = most + ready * (timeout_s + platform.init_timeout_s)
        most_usd = each * (calls if most_calls is None else most_calls)
    if call_s is None:
        return PlannedCost(None, most_usd)
    expected = prices.estimate_usd(platform, memory_mib, architecture, call_s, init_s, options)
    return PlannedCost(None if expected is None else (expected + ready * (call_s + init_s)) * calls, most_usd)


def break_even_per_hour(vm_per_hour_usd: Decimal, invocation_usd: Decimal) -> Decimal:
    """Return how many invocations an hour cost as much as a virtual machine.

    Raises:
        UserError: If an invocation costs nothing, or the machine less than nothing.
    """
    if vm_per_hour_usd < 0:
        raise UserError(f"a machine at {vm_per_hour_usd} USD per hour: a price must be 0 or more")
    if invocation_usd <= 0:
        raise UserError("an invocation costs nothing, so that nothing breaks even")
    return vm_per_hour_usd / invocation_usd
