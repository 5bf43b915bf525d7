"""What a message costs: the time of both functions while it travels, and the operations of the channel."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.platforms import Platform

logger = logging.getLogger(__name__)

ENDS = 2


def functions_usd_per_s(platform: Platform[Any], memory_mib: int, architecture: str) -> float | None:
    """Return what a second of both functions costs, None where there is no price.

    A message is sent by functions that run anyway: neither the request nor the rounding of an invocation is its own.
    """
    one = platform.estimate_usd(memory_mib, architecture, 1.0)
    two = platform.estimate_usd(memory_mib, architecture, 2.0)
    return None if one is None or two is None else ENDS * (two - one)


def operations_usd(platform: Platform[Any], architecture: str, charges: Mapping[str, float]) -> float | None:
    """Return what some operations cost: 0 where nothing is billed, None where something has no price."""
    due = {meter: quantity for meter, quantity in charges.items() if quantity}
    if not due:
        return 0.0
    rates = platform.rates(platform.region, architecture)
    if rates is None:
        return None
    try:
        prices = {meter: rates.book.service(rates.region, meter, architecture, rates.scheme.name).usd for meter in due}
    except UserError as exc:
        logger.info("cost of a message on %r is not known: %s", platform.name, exc)
        return None
    return sum(float(prices[meter]) * quantity for meter, quantity in due.items())
