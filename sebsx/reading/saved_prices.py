"""Costs by other prices that are stored beside a run, and used where a run has no costs of its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.estimates import mean_estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition
    from sebsx.reading.repricing import Repriced
    from sebsx.store import Store

_METRIC = "reprice.cost_usd"
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class SavedPrice:
    """What an invocation of one condition would cost by other prices.

    Args:
        cost: Mean cost of an invocation in USD, with the interval of the mean.
        prices: In words: `aws us-east-1 x86_64, book of 2026-09-06`.
    """

    cost: Estimate
    prices: str

    def million(self) -> Estimate:
        """Return the cost of a million invocations."""
        ends = {name: None if (end := getattr(self.cost, name)) is None else end * 1e6 for name in ("low", "high")}
        value = None if self.cost.value is None else self.cost.value * 1e6
        return Estimate(
            value, **ends, confidence=self.cost.confidence, n=self.cost.n, note=self.cost.note, blocks=self.cost.blocks
        )


class SavedPrices:
    """The costs saved last for each condition of some runs."""

    def __init__(self, runs: Iterable[RunView]) -> None:
        self._found: dict[tuple[str, int | None, int | None], SavedPrice] = {}
        for view in runs:
            for value in view.values():  # in the order of storing: the last one stays
                if value.metric == _METRIC and value.value is not None:
                    key = (view.run.id, value.cell_id, value.deployment_id)
                    self._found[key] = _read(value.value, json.loads(value.text or "{}"))

    def of(self, condition: Condition) -> SavedPrice | None:
        """Return what was saved for a condition that has no costs of its own; None for any other."""
        if len(condition.counted.known("cost_usd")):
            return None
        cell_id = condition.cell.id if condition.cell else None
        return self._found.get((condition.run.id, cell_id, condition.deployments[0].id))


def save(store: Store, repriced: Sequence[Repriced]) -> None:
    """Store the new costs with the run, beside what was measured."""
    for item in repriced:
        estimate = mean_estimate(item.observed, 1.0, _CONFIDENCE)
        said = {
            **item.rates.identity, "estimate": item.cost.estimate, "invocations": len(item.costs_usd),
            "interval": {name: word for name, word in asdict(estimate).items() if name not in ("value", "_")},
        }  # fmt: skip
        cell = item.condition.cell
        store.add_value(
            item.condition.run.id,
            _METRIC,
            float(item.cost.usd),
            deployment_id=item.condition.deployments[0].id,
            cell_id=cell.id if cell else None,
            text=json.dumps(said, sort_keys=True),
        )


def _read(usd: float, said: dict[str, Any]) -> SavedPrice:
    words = " ".join(said[key] for key in ("provider", "region", "architecture") if said.get(key))
    return SavedPrice(
        Estimate(usd, **said.get("interval", {"n": said.get("invocations", 0)})),
        f"{words}, book of {said['effective']}" if said.get("effective") else words,
    )
