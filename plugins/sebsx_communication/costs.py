"""What a message costs: the time of both functions while it travels, and the operations of the channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.platforms import Platform

ENDS = 2


def functions_usd_per_s(platform: Platform[Any], memory_mib: int, architecture: str) -> float | None:
    """Return what a second of both functions costs, None where there is no price.

    A message is sent by functions that run anyway: neither the request nor the rounding of an invocation is its own.
    """
    prices = platform.context.prices
    one = prices.estimate_usd(platform, memory_mib, architecture, 1.0)
    two = prices.estimate_usd(platform, memory_mib, architecture, 2.0)
    return None if one is None or two is None else ENDS * (two - one)


def operations_usd(platform: Platform[Any], architecture: str, charges: Mapping[str, float]) -> float | None:
    """Return what some operations cost: 0 where nothing is billed, None where something has no price."""
    due = {meter: quantity for meter, quantity in charges.items() if quantity}
    if not due:
        return 0.0
    total = 0.0
    for meter, quantity in due.items():
        unit_usd = platform.context.prices.unit_usd(platform, meter, architecture)
        if unit_usd is None:
            return None
        total += float(unit_usd) * quantity
    return total
