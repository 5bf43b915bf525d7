"""What is said of conditions whose calls did not get the processor that they were due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.reading.conditions import Condition


def about_starved(names: Sequence[str], found: Sequence[Condition], consequence: str) -> Iterator[Finding]:
    """Yield a warning for each condition that was starved.

    Args:
        names: Of the conditions, as the report shows them.
        found: The conditions.
        consequence: What becomes of one: `it is left out of choices`.
    """
    for name, each in zip(names, found, strict=True):
        if each.was_starved:
            text = f"{name} was {each.doubt}; {consequence}: measure on a machine with less to do"
            yield Finding(text, numbers={"starved": each.starved}, warning=True)
