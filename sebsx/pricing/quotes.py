"""What an invocation of some length costs at a place, for those who have no platform to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.pricing.costs import Usage
from sebsx.pricing.shelf import Shelf

if TYPE_CHECKING:
    from datetime import date

    from sebsx.contracts.registered import Registered
    from sebsx.pricing.books import Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price of invocations with so much memory.

    Args:
        rates: Of a region and an architecture.
        memory_mib: Provisioned memory.
        day: Whose rules of billing hold.
    """

    rates: Rates
    memory_mib: int
    day: date

    def usd(self, duration_s: float) -> float:
        """Return what an invocation costs that takes so long and starts warm."""
        return float(self.rates.invocation(Usage(self.memory_mib, duration_s), self.day).usd)

    @property
    def words(self) -> str:
        """Which prices these are: `aws us-east-1, 3008 MiB, book of 2026-09-06`."""
        book = self.rates.book
        return f"{book.provider} {self.rates.region}, {self.memory_mib} MiB, book of {book.effective}"


def quote(registry: Registered, place: str, memory_mib: int, architecture: str, day: date | None = None) -> Quote:
    """Return the price of invocations at a place.

    Args:
        registry: Brings the price books.
        place: Provider and region: `aws:us-east-1`.
        memory_mib: Provisioned memory.
        architecture: Of the processor.
        day: Whose prices are meant; None for today.

    Raises:
        UserError: If there is no such book, or it has no price for the region or the architecture.
    """
    provider, _, region = place.partition(":")
    day = day or datetime.now(UTC).date()
    book = Shelf(registry).book(provider, day)
    if not region:
        raise UserError(f"{place!r}: name the region, too, such as {provider}:{book.regions[0]}")
    return Quote(rates=book.rates(region, architecture), memory_mib=memory_mib, day=day)
