"""What is said of conditions whose calls did not get the processor that they were due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Finding
from sebsx.model.starved import LEAST_USED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.reading.conditions import Condition

_TOLD_EACH = 2


def about_starved(names: Sequence[str], found: Sequence[Condition], consequence: str) -> Iterator[Finding]:
    """Yield a warning for each condition that was starved, one for all where they are many.

    Args:
        names: Of the conditions, as the report shows them.
        found: The conditions.
        consequence: What follows from it: `not used for choices`.
    """
    starved = [(name, each) for name, each in zip(names, found, strict=True) if each.was_starved]
    advice = f"; {consequence}: measure on a machine with less to do"
    if len(starved) > _TOLD_EACH:
        first = ", ".join(name for name, _ in starved[:_TOLD_EACH])
        worst = max(each.starved for _, each in starved)
        text = (
            f"{len(starved)} of {len(found)} conditions were starved ({first} and {len(starved) - _TOLD_EACH} more): "
            f"in the worst, {100 * worst:.0f} % of the calls had less than {LEAST_USED:g} of the processor time they "
            "were due"
        )
        yield Finding(text + advice, numbers={"starved": worst}, warning=True)
        return
    for name, each in starved:
        yield Finding(f"{name} was {each.doubt}{advice}", numbers={"starved": each.starved}, warning=True)
