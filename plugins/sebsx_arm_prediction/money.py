"""What an invocation costs on the two machines, by today's price book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.pricing.quotes import quote
from sebsx_arm_prediction.predicting import Costs

if TYPE_CHECKING:
    from datetime import date

    from sebsx.contracts.registered import Registered


def costs_of(
    registry: Registered,
    place: str,
    memory_mib: int,
    architectures: tuple[str, str] = ("x86_64", "arm64"),
    at: date | None = None,
) -> Costs:
    """Return the prices of two architectures.

    Args:
        registry: Brings the price books.
        place: Provider and region: `aws:us-east-1`.
        memory_mib: Provisioned memory.
        architectures: Of the machine that was profiled, and of the other.
        at: Day whose prices hold; None for today.

    Raises:
        UserError: If there is no such book, or it has no price for one of the architectures.
    """
    here, there = (quote(registry, place, memory_mib, architecture, at) for architecture in architectures)
    return Costs(here=here.usd, there=there.usd, prices=here.words)
