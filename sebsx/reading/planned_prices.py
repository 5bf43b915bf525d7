"""What a plan will cost, as a range that a person can use, and by prices of another place where it has none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate
from sebsx.errors import UserError
from sebsx.pricing import Shelf, Usage

if TYPE_CHECKING:
    from sebsx.model import Cell, Plan
    from sebsx.plugins import Registry
    from sebsx.pricing import Rates
    from sebsx.reading.repricing import PriceChoice

# Calls that take half to twice as long as expected are nothing unusual: another machine, another input, cold caches.
EITHER_WAY = 2.0


def expected_cost(cell: Cell) -> Estimate | None:
    """Return what a cell will cost, with what it costs if its calls take half or twice as long as expected.

    None where there is no price, or it is unknown how long its calls take.
    """
    if cell.unsupported is not None or cell.cost_usd is None:
        return None
    high = cell.cost_usd * EITHER_WAY
    if cell.cost_bound_usd is not None:
        high = max(cell.cost_usd, min(high, cell.cost_bound_usd))
    return Estimate(cell.cost_usd, low=cell.cost_usd / EITHER_WAY, high=high, n=cell.invocations)


def total_cost(plan: Plan) -> Estimate | None:
    """Return what a whole plan will cost, as `expected_cost`; None where a cell's is not known."""
    known = [expected_cost(cell) for cell in plan.supported]
    each = [cost for cost in known if cost is not None]
    if not each or len(each) < len(known):
        return None
    value, low, high = (sum(getattr(cost, end) for cost in each) for end in ("value", "low", "high"))
    return Estimate(value, low=low, high=high, n=plan.invocations)


def priced_as(plan: Plan, registry: Registry, choice: PriceChoice) -> Plan:
    """Return a plan in which cells without a price have that of another place, for the times that are expected here."""
    book = Shelf(registry).book(choice.provider, choice.day)
    cells = tuple(_priced(cell, book.rates(choice.region, _architecture(cell)), choice) for cell in plan.cells)
    return replace(plan, cells=cells)


def _priced(cell: Cell, rates: Rates, choice: PriceChoice) -> Cell:
    memory_mib = cell.factors.get("memory_mib")
    if cell.cost_usd is not None or cell.unsupported or not memory_mib or not cell.duration_s or not cell.invocations:
        return cell
    usage = Usage(memory_mib, cell.duration_s / cell.invocations)
    try:
        each = rates.invocation(usage, choice.day).usd
    except UserError:  # no price for a function of that size
        return cell
    return replace(cell, cost_usd=float(each) * cell.invocations)


def _architecture(cell: Cell) -> str:
    return str(cell.factors.get("architecture") or "x86_64")
