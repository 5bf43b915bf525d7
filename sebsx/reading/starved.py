"""What is said of cells whose calls did not get the processor that they were due, and which those are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Finding
from sebsx.model.starved import LEAST_USED, MOST_STARVED, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView

_TOLD_EACH = 2


def starved_shares(view: RunView) -> Mapping[int, float]:
    """Return by cell the share of its calls that were starved; cells of which it is not known are left out."""
    return {
        value.cell_id: value.value
        for value in view.values()
        if value.metric == "host.starved" and value.cell_id is not None and value.value is not None
    }


def about_starved(names: Sequence[str], shares: Sequence[float], consequence: str) -> Iterator[Finding]:
    """Yield a warning for each condition that was starved, one for all where they are many.

    Args:
        names: Of the conditions, as the report shows them.
        shares: Of their calls that were starved.
        consequence: What follows from it: `not used for choices`.
    """
    starved = [(name, share) for name, share in zip(names, shares, strict=True) if share > MOST_STARVED]
    advice = f"; {consequence}: measure on a machine with less to do"
    if len(starved) > _TOLD_EACH:
        first = ", ".join(name for name, _ in starved[:_TOLD_EACH])
        worst = max(share for _, share in starved)
        text = (
            f"{len(starved)} of {len(names)} conditions were starved ({first} and {len(starved) - _TOLD_EACH} more): "
            f"in the worst, {100 * worst:.0f} % of the calls had less than {LEAST_USED:g} of the processor time they "
            "were due"
        )
        yield Finding(text + advice, numbers={"starved": worst}, warning=True)
        return
    for name, share in starved:
        yield Finding(f"{name} was {in_words(share)}{advice}", numbers={"starved": share}, warning=True)
