"""Prices: dated books of what providers charge, and what an invocation, a month or a plan costs under one.

`Shelf` finds the book in force, `PriceBook.rates` narrows it to a region and architecture, `Rates` prices a `Usage`.
Money is `Decimal` throughout; it becomes a float only where it is stored or printed.
"""

from __future__ import annotations

from sebsx.pricing.books import Change, Price, PriceBook, Rates, differences
from sebsx.pricing.costs import Cost, Scheme, Tier, Usage
from sebsx.pricing.shelf import Shelf

__all__ = ["Change", "Cost", "Price", "PriceBook", "Rates", "Scheme", "Shelf", "Tier", "Usage", "differences"]
