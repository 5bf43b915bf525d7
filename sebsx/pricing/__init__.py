"""Prices: dated books of what providers charge, and what an invocation, a month or a plan costs under one.

`Pricer` says what invocations of a platform cost. Below it, `Shelf` finds the book in force, `PriceBook.rates` narrows
it to a region and architecture, `Rates` prices a `Usage`.
Money is `Decimal` throughout; it becomes a float only where it is stored or printed.
"""

from __future__ import annotations

from sebsx.model.prices import Key, Price, Tier
from sebsx.pricing.books import PriceBook, PriceChange, Rates, differences
from sebsx.pricing.costs import Cost, Scheme, Usage
from sebsx.pricing.pricer import Pricer
from sebsx.pricing.shelf import Shelf

__all__ = [
    "Cost", "Key", "Price", "PriceBook", "PriceChange", "Pricer", "Rates", "Scheme", "Shelf", "Tier", "Usage",
    "differences",
]  # fmt: skip
