"""What an invocation costs on the two machines, by today's price book."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx_arm_prediction.predicting import Costs

if TYPE_CHECKING:
    from datetime import date

    from sebsx.contracts.registered import Registered

DEFAULT_PRICES = "aws:us-east-1"


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
    from sebsx.pricing.costs import Usage
    from sebsx.pricing.shelf import Shelf

    provider, _, region = place.partition(":")
    day = at or datetime.now(UTC).date()
    book = Shelf(registry).book(provider, day)
    if not region:
        raise UserError(f"--price-as {place!r}: name the region, too, such as {provider}:{book.regions[0]}")
    sides: list[Any] = [book.rates(region, architecture) for architecture in architectures]

    def of(rates: Any) -> Any:
        return lambda time_s: float(rates.invocation(Usage(memory_mib, time_s), day).usd)

    return Costs(
        here=of(sides[0]),
        there=of(sides[1]),
        prices=f"{provider} {region}, {memory_mib} MiB, book of {book.effective}",
    )
