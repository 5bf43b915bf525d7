"""Prices stored invocations again: under another price book, in another region, on another provider.

Nothing that was measured is changed; what comes out may be stored beside it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.pricing import Cost, Shelf, Usage
from sebsx.reading.blocks import Observations
from sebsx.reading.conditions import Condition, conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Frame
    from sebsx.model.stored import StoredDeployment
    from sebsx.plugins import Registry
    from sebsx.pricing import Rates

_FIGURES = ("provider.duration_s", "provider.init_s", "provider.billed_s", "provider.max_memory_bytes")


@dataclass(frozen=True, slots=True)
class PriceChoice:
    """By which prices to count. What is empty is taken from each deployment.

    Args:
        day: The book in force on it is used.
        provider: Whose prices; another provider's make every figure an estimate.
        region: As the provider names it.
        architecture: `x86_64` or `arm64`.
        scheme: How invocations are billed.
    """

    day: date
    provider: str = ""
    region: str = ""
    architecture: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Repriced:
    """One condition under other prices.

    Args:
        condition: What was measured.
        rates: The prices.
        old_usd: Mean cost of an invocation as stored; None where it had none.
        cost: Mean cost of an invocation now, with its parts.
        observed: Cost of each invocation that counts and has figures to price, with its sandbox.
        old_total_usd: Cost of all measured invocations as stored, failed ones too; None where one has none.
        total_usd: Cost of all measured invocations with figures now.
        unpriced: Measured invocations without figures of the provider.
    """

    condition: Condition
    rates: Rates
    old_usd: float | None
    cost: Cost
    observed: Observations
    old_total_usd: float | None
    total_usd: Decimal
    unpriced: int

    @property
    def costs_usd(self) -> tuple[float, ...]:
        """The cost of each invocation that counts and has figures to price."""
        return tuple(self.observed.values.tolist())


def reprice(view: RunView, registry: Registry, choice: PriceChoice) -> list[Repriced]:
    """Return the conditions of a run under other prices, those without any figures to price left out.

    Where the provider stays the same, the billed time that it reported is priced, unless its rules changed between the
    day of the run and the book's; else billed time follows from durations and the rules, and is an estimate. So is all
    of another region or architecture, where functions take another time.

    Raises:
        UserError: If nothing names the prices, they have none for a region or architecture, or no invocation has
            figures of the provider.
    """
    own = _providers(view, registry)
    priced = []
    for condition in conditions([view]):
        provider = own.get(condition.deployments[0].id, "")
        rates = _rates_for(condition.deployments[0], provider, registry, choice)
        if item := _reprice(condition, rates, rates.book.provider == provider, choice.day):
            priced.append(item)
    if not priced:
        raise UserError(f"run {view.run.id!r} has no durations or billed times of a provider; nothing can be priced")
    return priced


def _rates_for(deployment: StoredDeployment, own: str, registry: Registry, choice: PriceChoice) -> Rates:
    """Return the prices meant for a deployment.

    Args:
        deployment: What was called.
        own: The provider it ran on; empty if none is known.
        registry: Brings the price books.
        choice: What the user asked for.
    """
    provider = choice.provider or own
    if not provider:
        raise UserError(f"platform {deployment.platform!r} names no price list; name prices by --as PROVIDER:REGION")
    region = choice.region or (deployment.region if provider == own else "")
    if not region:
        raise UserError(f"no region is known for prices of {provider!r}; name one with --region")
    said = deployment.effective.get("billing_scheme", "") if provider == own else ""
    book = Shelf(registry).book(provider, choice.day)
    return book.rates(region, choice.architecture or deployment.architecture, choice.scheme or said)


def _providers(view: RunView, registry: Registry) -> dict[int, str]:
    """Return by whose prices each deployment was priced or, where it was not, whose its platform names now."""
    platforms = registry.platforms
    found = {
        deployment.id: platforms[deployment.platform].provider
        for deployment in view.deployments()
        if deployment.platform in platforms
    }
    for value in view.values():
        if value.metric == "price_book" and value.deployment_id is not None and value.text:
            found[value.deployment_id] = json.loads(value.text)["provider"]
    return found


def _reprice(condition: Condition, rates: Rates, same: bool, day: date) -> Repriced | None:
    """Return a condition by other prices, `same` telling that they are of the provider that it ran on."""
    deployment = condition.deployments[0]
    ran = condition.run.started_at.date()
    reported = same and rates.scheme.bills_init(ran) == rates.scheme.bills_init(day)
    moved = (rates.region, rates.architecture) != (deployment.region, deployment.architecture)
    import numpy as np  # heavy

    counting = {sequence: place for place, sequence in enumerate(condition.counted["sequence"].tolist())}
    each = np.full(len(counting), np.nan)
    costs: dict[object, Cost] = {}  # by what is billed: many invocations fall on the same step of time
    every: Counter[object] = Counter()
    counted: Counter[object] = Counter()
    for sequence, usage in _usages(condition.frame, deployment, same, reported):
        what = (rates.scheme.times(usage, day), rates.scheme.billed_mib(usage), usage.restored, usage.billed_s is None)
        if what not in costs:
            costs[what] = rates.invocation(usage, day)
        every[what] += 1
        if sequence in counting:
            counted[what] += 1
            each[counting[sequence]] = float(costs[what].usd)
    if not counted:
        return None
    old, old_total = condition.counted.known("cost_usd"), condition.frame.known("cost_usd")
    return Repriced(
        condition,
        rates,
        float(old.mean()) if len(old) else None,
        _mean(costs, counted, moved),
        Observations.made(condition.counted, each),
        float(old_total.sum()) if len(old_total) == len(condition.frame) else None,
        sum((costs[what].usd * n for what, n in every.items()), Decimal()),
        len(condition.frame) - every.total(),
    )


def _usages(frame: Frame, deployment: StoredDeployment, same: bool, reported: bool) -> Iterator[tuple[float, Usage]]:
    """Yield what each invocation used, with its sequence; those whose time the provider did not report are left out.

    Ephemeral storage, snapshots and processors beside memory are sold by one provider only: another is not asked what
    it
    would charge for them.
    """
    memory_mib, ephemeral_mib = deployment.memory_mib, deployment.effective.get("ephemeral_mib", 0) if same else 0
    vcpu, gpus = (deployment.effective.get("vcpu"), int(deployment.effective.get("gpu", 0))) if same else (None, 0)
    cpus = None if vcpu is None else Decimal(str(vcpu))
    columns = [frame[name].tolist() for name in ("sequence", *_FIGURES)]
    for sequence, duration, init, billed, peak, start in zip(*columns, frame.words("start_type"), strict=True):
        duration_s, init_s, billed_s = _known(duration), _known(init), _known(billed) if reported else None
        time_s = duration_s if duration_s is not None else billed_s
        if time_s is not None:
            peak_mib = None if _known(peak) is None else ceil(peak / 2**20)
            restored = same and start == "restored"
            yield (
                sequence,
                Usage(memory_mib, time_s, init_s, billed_s, restored, peak_mib, ephemeral_mib, cpus=cpus, gpus=gpus),
            )


def _mean(costs: Mapping[object, Cost], counts: Counter[object], moved: bool) -> Cost:
    """Return the mean of costs that occur so often, with its parts."""
    sums: dict[str, Decimal] = {}
    for what, n in counts.items():
        for name, usd in costs[what].parts.items():
            sums[name] = sums.get(name, Decimal()) + usd * n
    parts = {name: usd / counts.total() for name, usd in sums.items()}
    return Cost(parts, moved or any(costs[what].estimate for what in counts))


def _known(value: float) -> float | None:
    return None if value != value else value  # NaN stands for nothing
