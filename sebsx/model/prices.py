"""A price: what it is for, and what a unit costs by the volume of a month."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from decimal import Decimal

MONTH_S = 730 * 3600
"""A month, as the calculators of AWS and Azure count it: 730 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A price for volumes of a month from `above` on, in the meter's unit."""

    above: Decimal
    usd: Decimal


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """What a price is for. An empty architecture or scheme stands for every one of them."""

    region: str
    meter: str
    _: KW_ONLY
    architecture: str = ""
    scheme: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.region, self.scheme, self.architecture, self.meter)))


@dataclass(frozen=True, slots=True)
class Price:
    """What a unit costs, by monthly volume.

    Args:
        unit: What is counted: `GB-s`, `request`, `GB-month`, ...
        tiers: Ascending, the first from 0.
        free: Units of a month that cost nothing; used only where the free tier is asked for.
        unverified: What of it nobody has read at its source, and where it is from; empty where all was read.
    """

    unit: str
    tiers: tuple[Tier, ...]
    _: KW_ONLY
    free: Decimal = Decimal()
    unverified: str = ""

    @property
    def usd(self) -> Decimal:
        """The price of a unit at low volume."""
        return self.tiers[0].usd

    def of(self, quantity: Decimal, *, free_tier: bool = False) -> Decimal:
        """Return what a month's quantity costs, each tier at its own price."""
        left = max(Decimal(), quantity - self.free) if free_tier else quantity
        ends = [tier.above for tier in self.tiers[1:]]
        total = Decimal()
        for tier, end in zip(self.tiers, [*ends, None], strict=True):
            within = (left if end is None else min(left, end)) - tier.above
            if within <= 0:
                break
            total += within * tier.usd
        return total
