"""A price book: what one provider charged from a date on, by region, architecture and billing scheme."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from sebsx.errors import UnknownNameError, UserError
from sebsx.model.prices import MONTH_S, Key, Price
from sebsx.pricing.costs import MIB_PER_GB, Cost, Scheme, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

MILLION = 1_000_000
_GB = 2**30  # of data transfer, as AWS and Google count it

# What is charged while a sandbox is kept ready.
_READY, _READY_CPU = "reserved", "reserved-cpu"
# Meters of an invocation and the part of its cost that each belongs to; every other meter is a service's.
REQUEST, MEMORY, CPU, GPU = "request", "memory", "cpu", "gpu"
EPHEMERAL, RESTORE, EGRESS = "ephemeral", "restore", "egress"
_PARTS = {
    REQUEST: "requests", MEMORY: "compute", CPU: "compute", GPU: "compute", EPHEMERAL: "ephemeral", RESTORE: "restore",
    EGRESS: "egress",
}  # fmt: skip
_OF_TIME = (MEMORY, CPU, GPU)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that differs between two books; None where a book has none."""

    key: Key
    old: Price | None
    new: Price | None


@dataclass(frozen=True)
class PriceBook:
    """What a provider charged from `effective` on, until its next book.

    Args:
        provider: Name of the price list it belongs to.
        effective: First day on which its prices hold.
        retrieved: Day on which somebody read them.
        source: Where.
        sha256: Of the file.
        schemes: How invocations are counted, by name; the first is meant where none is named.
        prices: By what they are for.
        path: The file, for messages.
    """

    provider: str
    effective: date
    retrieved: date
    source: str
    sha256: str
    schemes: Mapping[str, Scheme]
    prices: Mapping[Key, Price] = field(repr=False)
    path: str = ""

    def __str__(self) -> str:
        return f"{self.provider}:{self.effective}"

    @property
    def identity(self) -> dict[str, str]:
        """Which book it is, as stored with a run."""
        return {"provider": self.provider, "effective": self.effective.isoformat(), "sha256": self.sha256}

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Regions in which invocations have a price, sorted."""
        return tuple(sorted({key.region for key in self.prices if key.meter == REQUEST}))

    def architectures(self, region: str, scheme: str = "") -> tuple[str, ...]:
        """Return the architectures that have a price in a region, sorted."""
        return tuple(
            sorted(
                {
                    key.architecture
                    for key in self.prices
                    if (key.region, key.meter) == (region, MEMORY) and scheme in ("", key.scheme or scheme)
                }
            )
        )

    def rates(self, region: str, architecture: str, scheme: str = "") -> Rates:
        """Return what invocations cost in a region, on an architecture, under a billing scheme.

        Args:
            region: As the provider names it.
            architecture: `x86_64` or `arm64`.
            scheme: Empty for the book's first.

        Raises:
            UnknownNameError: If the book has no such region or scheme; it suggests the nearest.
            UserError: If invocations on that architecture have no price there.
        """
        hint = f"sebsx prices show {self.provider}"
        if region not in self.regions:
            raise UnknownNameError("region", region, self.regions, hint, of=f"price book {self}")
        if scheme and scheme not in self.schemes:
            raise UnknownNameError("billing scheme", scheme, self.schemes, hint, of=f"price book {self}")
        chosen = self.schemes[scheme or next(iter(self.schemes))]
        prices = {}
        for meter in _PARTS:
            for key in _keys(region, meter, architecture, chosen.name):
                if key in self.prices:
                    prices[meter] = self.prices[key]
                    break
        if REQUEST not in prices or MEMORY not in prices:
            has = ", ".join(self.architectures(region, chosen.name)) or "none"
            raise UserError(
                f"architecture {architecture!r} has no price in {region!r} under {chosen.name!r} in price book {self}; "
                f"has {has} ({hint})"
            )
        return Rates(self, region, architecture, chosen, prices)

    def service(self, region: str, meter: str, architecture: str = "", scheme: str = "") -> Price:
        """Return the price of something other than an invocation: `object.put`, `table.read`, `workflow.transition`.

        Args:
            region: As the provider names it.
            meter: What is counted.
            architecture: Where it matters, as for the `reserved` memory of provisioned concurrency.
            scheme: The same.

        Raises:
            UserError: If it has no price there; the message names the regions in which it has one.
        """
        keys = _keys(region, meter, architecture, scheme)
        found = next((self.prices[key] for key in keys if key in self.prices), None)
        if found is None:
            regions = sorted({key.region for key in self.prices if key.meter == meter})
            known = sorted({key.meter for key in self.prices})
            if not regions:
                raise UnknownNameError("meter", meter, known, of=f"price book {self}")
            raise UserError(f"{meter!r} has no price in {region!r} in price book {self}; has {', '.join(regions)}")
        return found


@dataclass(frozen=True, slots=True)
class Rates:
    """What invocations cost in one region, on one architecture, under one scheme of a book."""

    book: PriceBook
    region: str
    architecture: str
    scheme: Scheme
    prices: Mapping[str, Price]

    @property
    def identity(self) -> dict[str, str]:
        """Which prices they are, as stored with a run."""
        place = {"region": self.region, "architecture": self.architecture, "scheme": self.scheme.name}
        return {**self.book.identity, **place}

    def invocation(self, usage: Usage, at: date | None = None) -> Cost:
        """Return the cost of one invocation at low volume, without free tier.

        Args:
            usage: What it used.
            at: Its day, for rules that changed; the book's own by default.
        """
        day = at or self.book.effective
        handler_s, init_s = self.scheme.times(usage, day)
        parts = self._parts(self._usd(self._quantities(usage, handler_s + init_s)))
        if init_s:
            of_init = self._usd(self._quantities(usage, init_s))
            parts["init"] = sum((of_init[meter] for meter in _OF_TIME if meter in of_init), Decimal())
            parts["compute"] -= parts["init"]
        return Cost(parts, usage.billed_s is None or self.scheme.estimate)

    def month(self, usage: Usage, per_s: float | Decimal, *, free_tier: bool = False, at: date | None = None) -> Cost:
        """Return the cost of a month of 730 hours at a constant rate of such invocations, by volume tiers.

        Args:
            usage: What each uses.
            per_s: Invocations a second.
            free_tier: Whether the account's free tier is all for this.
            at: Day, for rules that changed.
        """
        count = Decimal(str(per_s)) * MONTH_S
        billed_s = sum(self.scheme.times(usage, at or self.book.effective))
        quantities = self._quantities(usage, Decimal(billed_s))
        costs = {
            meter: self.prices[meter].of(n * count, free_tier=free_tier and (self.scheme.free_tier or meter == EGRESS))
            for meter, n in quantities.items()
        }
        return Cost(self._parts(costs), usage.billed_s is None or self.scheme.estimate)

    def ready_month_usd(self, usage: Usage) -> Decimal | None:
        """Return what a sandbox kept ready costs in a month, used or not; None where the scheme charges for none."""
        each = self.ready_usd_s(usage)
        return None if each is None else each * MONTH_S

    def ready_usd_s(self, usage: Usage) -> Decimal | None:
        """Return what a sandbox kept ready costs each second, used or not; None where the scheme charges for none.

        Processors are charged where the book has a price for those of a waiting sandbox (`reserved-cpu`).
        """
        memory_mib = self.scheme.billed_mib(usage)
        memory = self._of_waiting(_READY)
        if memory is None:
            return None
        total = memory.usd * memory_mib / MIB_PER_GB
        cpu = self._of_waiting(_READY_CPU)
        if cpu is not None:
            total += cpu.usd * (self.scheme.cpus(memory_mib) if usage.cpus is None else usage.cpus)
        return total

    def _of_waiting(self, meter: str) -> Price | None:
        """Return a price of sandboxes that wait, which only a scheme of its own has."""
        keys = [key for key in _keys(self.region, meter, self.architecture, self.scheme.name) if key.scheme]
        return next((self.book.prices[key] for key in keys if key in self.book.prices), None)

    def _quantities(self, usage: Usage, billed_s: Decimal) -> dict[str, Decimal]:
        """Return what is counted of an invocation that was billed for so long, by meter.

        Raises:
            UserError: If it used something that has no price here.
        """
        memory_mib = self.scheme.billed_mib(usage)
        memory_gb = Decimal(memory_mib) / MIB_PER_GB
        extra_mib = max(0, usage.ephemeral_mib - self.scheme.free_ephemeral_mib)
        quantities = {REQUEST: Decimal(1), MEMORY: memory_gb * billed_s}
        if CPU in self.prices:
            quantities[CPU] = (self.scheme.cpus(memory_mib) if usage.cpus is None else usage.cpus) * billed_s
        quantities[GPU] = Decimal(usage.gpus) * billed_s
        quantities[EPHEMERAL] = Decimal(extra_mib) / MIB_PER_GB * billed_s
        quantities[RESTORE] = memory_gb if usage.restored else Decimal()
        quantities[EGRESS] = Decimal(usage.egress_bytes) / _GB
        used = {meter: n for meter, n in quantities.items() if n}
        for meter in used:
            if meter not in self.prices:
                raise UserError(
                    f"{_PARTS[meter]!r} has no price in {self.region!r} under {self.scheme.name!r} in price book "
                    f"{self.book}, and an invocation used it"
                )
        return used

    def _usd(self, quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
        return {meter: self.prices[meter].usd * n for meter, n in quantities.items()}

    @staticmethod
    def _parts(costs: Mapping[str, Decimal]) -> dict[str, Decimal]:
        parts: dict[str, Decimal] = {}
        for meter, usd in costs.items():
            parts[_PARTS[meter]] = parts.get(_PARTS[meter], Decimal()) + usd
        return parts


def differences(old: PriceBook, new: PriceBook) -> list[PriceChange]:
    """Return the prices that differ, sorted by what they are for."""
    keys = sorted({*old.prices, *new.prices})
    changes = [PriceChange(key, old.prices.get(key), new.prices.get(key)) for key in keys]
    return [change for change in changes if change.old != change.new]


def _keys(region: str, meter: str, architecture: str, scheme: str) -> list[Key]:
    """Return under what a price may stand, the most special first."""
    return [Key(region, meter, architecture=a, scheme=s) for s in (scheme, "") for a in (architecture, "")]
