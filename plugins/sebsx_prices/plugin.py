"""Registers the price lists of the public clouds, so that prices work whichever platforms are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.pricelists import Pricelist


@hookimpl
def sebsx_register_pricelists() -> Sequence[type[Pricelist]]:
    """Return the price lists."""
    from sebsx_prices.lists import AwsPrices, AzurePrices, GcpPrices

    return [AwsPrices, AzurePrices, GcpPrices]
