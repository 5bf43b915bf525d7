"""What a price needs to know of a platform, and what whoever holds the price books answers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Deployment, ProviderRecord, Scalar

NONE: Mapping[str, Scalar] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPrices:
    """Prices that a user sets for machines of their own; initialisation is not billed by them.

    Args:
        gb_s_usd: For a GiB of memory for a second.
        invocation_usd: For each invocation.
    """

    gb_s_usd: float
    invocation_usd: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Billing:
    """What decides the price of a platform's invocations, as far as it is known before one is made.

    Args:
        provider: Whose price list holds; empty where none does.
        region: As the provider names it.
        scheme: How invocations are billed; empty for the usual way.
        ephemeral_mib: Ephemeral storage that functions get.
        restores: Whether cold starts restore a snapshot.
        vcpu: Processors that functions get; None for those that go with the memory.
        gpus: Graphics processors that functions get.
        ready: Sandboxes kept initialised for each function, whether it is called or not.
        own: Prices of the user's own, in place of a list.
    """

    provider: str = ""
    region: str = ""
    scheme: str = ""
    ephemeral_mib: int = 0
    restores: bool = False
    vcpu: float | None = None
    gpus: int = 0
    ready: int = 0
    own: OwnPrices | None = None


class Prices(Protocol):
    """Today's prices; None stands for what has no price, which is warned about once."""

    def cost_usd(self, platform: Platform[Any], deployment: Deployment, record: ProviderRecord) -> float | None:
        """Return what one invocation cost: what the record says, else its figures at the list's price.

        Of `effective` it reads `memory_mib`, `architecture`, and where they are there `billing_scheme`,
        `ephemeral_mib`, `vcpu` and `gpu`.
        """
        ...

    def estimate_usd(
        self,
        platform: Platform[Any],
        memory_mib: int,
        architecture: str,
        duration_s: float,
        init_s: float = 0.0,
        options: Mapping[str, Scalar] = NONE,
    ) -> float | None:
        """Return what one invocation will cost that takes so long, for plans. The platform need not be open.

        Args:
            platform: Where it runs.
            memory_mib: Of the function.
            architecture: Of the function.
            duration_s: Time of the handler.
            init_s: Time of initialisation before it; 0 for none.
            options: Of the function; for those not named the platform's defaults hold.
        """
        ...

    def most_usd(
        self,
        platform: Platform[Any],
        memory_mib: int,
        architecture: str,
        timeout_s: float,
        options: Mapping[str, Scalar] = NONE,
    ) -> float | None:
        """Return the most that one invocation can cost: a cold one that ends at its time-out."""
        ...

    def ready_usd_s(
        self, platform: Platform[Any], memory_mib: int, architecture: str, options: Mapping[str, Scalar]
    ) -> float | None:
        """Return what a function costs each second while it is there, called or not: sandboxes that are kept ready.

        0 where none are kept; None where they are and have no price.
        """
        ...

    def book_of(self, platform: Platform[Any], deployment: Deployment) -> Mapping[str, str] | None:
        """Return which prices hold for a deployment, as stored with a run: book, region, architecture, scheme."""
        ...

    def unit_usd(self, platform: Platform[Any], meter: str, architecture: str = "") -> Decimal | None:
        """Return the price of a unit of something beside invocations: `object.put`, `table.read`, `reserved`."""
        ...
