"""What invocations of a platform cost today: by the price book of its provider, or by the user's own prices."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sebsx.contracts.prices import NONE
from sebsx.errors import UserError
from sebsx.model import StartType
from sebsx.pricing.costs import MIB_PER_GB, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.prices import Billing, OwnPrices
    from sebsx.model import Deployment, ProviderRecord, Scalar
    from sebsx.pricing.books import Rates
    from sebsx.pricing.shelf import Shelf

logger = logging.getLogger(__name__)


class Pricer:
    """Prices invocations, fulfilling `sebsx.contracts.prices.Prices`.

    Whatever has no price costs None, and that is warned about once: measuring goes on without.

    Args:
        shelf: The price books.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._rates: dict[tuple[str, str, str, str], Rates | None] = {}
        self._billing: dict[Platform[Any], Billing] = {}
        self._warned: set[str] = set()

    def cost_usd(self, platform: Platform[Any], deployment: Deployment, record: ProviderRecord) -> float | None:
        """Return what one invocation cost; see `Prices`."""
        time_s = record.duration_s if record.duration_s is not None else record.billed_s
        if record.cost_usd is not None or time_s is None:
            return record.cost_usd
        said, billing = deployment.effective, self._plain_billing(platform)
        own = billing.own
        if own is None and not billing.provider:
            return None
        memory_mib = said.get("memory_mib", deployment.config.memory_mib)
        if own is not None:
            return None if record.billed_s is None else _own_usd(own, memory_mib, record.billed_s)
        rates = self.rates_of(platform, deployment)
        if rates is None:
            return None
        usage = Usage(
            memory_mib=memory_mib,
            duration_s=time_s,
            init_s=record.init_s,
            billed_s=record.billed_s,
            restored=record.start_type is StartType.RESTORED,
            max_memory_mib=None if record.max_memory_bytes is None else -(-record.max_memory_bytes // 2**20),
            ephemeral_mib=said.get("ephemeral_mib", 0),
            cpus=_exact(said.get("vcpu")),
            gpus=int(said.get("gpu", 0)),
        )
        return self._invocation_usd(platform, rates, usage)

    def estimate_usd(
        self,
        platform: Platform[Any],
        memory_mib: int,
        architecture: str,
        duration_s: float,
        init_s: float = 0.0,
        options: Mapping[str, Scalar] = NONE,
    ) -> float | None:
        """Return what one invocation will cost that takes so long; see `Prices`."""
        billing = platform.billing(options)
        if billing.own is not None:
            return _own_usd(billing.own, memory_mib, duration_s)
        usage = Usage(
            memory_mib,
            duration_s,
            init_s or None,
            restored=billing.restores and init_s > 0,
            ephemeral_mib=billing.ephemeral_mib,
            cpus=_exact(billing.vcpu),
            gpus=billing.gpus,
        )
        return self._invocation_usd(platform, self.rates(platform, billing.region, architecture, billing.scheme), usage)

    def most_usd(
        self,
        platform: Platform[Any],
        memory_mib: int,
        architecture: str,
        timeout_s: float,
        options: Mapping[str, Scalar] = NONE,
    ) -> float | None:
        """Return the most that one invocation can cost; see `Prices`."""
        return self.estimate_usd(platform, memory_mib, architecture, timeout_s, platform.init_timeout_s, options)

    def ready_usd_s(
        self, platform: Platform[Any], memory_mib: int, architecture: str, options: Mapping[str, Scalar]
    ) -> float | None:
        """Return what a function costs each second while it is there, called or not; see `Prices`."""
        billing = platform.billing(options)
        if not billing.ready:
            return 0.0
        rates = self.rates(platform, billing.region, architecture, billing.scheme)
        each = None if rates is None else rates.ready_usd_s(Usage(memory_mib, 0.0, cpus=_exact(billing.vcpu)))
        return None if each is None else float(each * billing.ready)

    def book_of(self, platform: Platform[Any], deployment: Deployment) -> Mapping[str, str] | None:
        """Return which prices hold for a deployment; see `Prices`."""
        rates = self.rates_of(platform, deployment)
        return None if rates is None else rates.identity

    def unit_usd(self, platform: Platform[Any], meter: str, architecture: str = "") -> Decimal | None:
        """Return the price of a unit of something beside invocations; see `Prices`."""
        billing = self._plain_billing(platform)
        rates = self.rates(platform, billing.region, architecture or platform.architectures[0], billing.scheme)
        if rates is None:
            return None
        try:
            return rates.book.service(rates.region, meter, architecture, rates.scheme.name).usd
        except UserError as exc:
            self._warn(platform, exc)
            return None

    def rates_of(self, platform: Platform[Any], deployment: Deployment) -> Rates | None:
        """Return the rates of a deployment, None where there is no price.

        What is billed is read from `effective`: `architecture` and, where the platform puts it there, `billing_scheme`.
        """
        said = deployment.effective
        architecture = said.get("architecture", deployment.config.architecture)
        region = deployment.region or platform.region
        return self.rates(platform, region, architecture, said.get("billing_scheme", ""))

    def rates(self, platform: Platform[Any], region: str, architecture: str, scheme: str = "") -> Rates | None:
        """Return the rates of a platform's provider in a region, None where there is no price."""
        provider = self._plain_billing(platform).provider
        if not provider:
            return None
        if not region:
            self._warn(platform, UserError("no region is known; give one with --set region=REGION"))
            return None
        key = (provider, region, architecture, scheme)
        if key not in self._rates:
            try:
                self._rates[key] = self._shelf.book(provider, _today()).rates(region, architecture, scheme)
            except UserError as exc:
                self._warn(platform, exc)
                self._rates[key] = None
        return self._rates[key]

    def _plain_billing(self, platform: Platform[Any]) -> Billing:
        """Return what a platform bills by for its default options: asked once, since each invocation needs it."""
        if platform not in self._billing:
            self._billing[platform] = platform.billing(NONE)
        return self._billing[platform]

    def _invocation_usd(self, platform: Platform[Any], rates: Rates | None, usage: Usage) -> float | None:
        if rates is None:
            return None
        try:
            return float(rates.invocation(usage, _today()).usd)
        except UserError as exc:
            self._warn(platform, exc)
            return None

    def _warn(self, platform: Platform[Any], why: UserError) -> None:
        if str(why) not in self._warned:
            self._warned.add(str(why))
            logger.warning("cost on %r is not known: %s", platform.name, why)


def _exact(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _own_usd(own: OwnPrices, memory_mib: int, billed_s: float) -> float:
    return billed_s * memory_mib / MIB_PER_GB * own.gb_s_usd + own.invocation_usd


def _today() -> date:
    return datetime.now(UTC).date()
