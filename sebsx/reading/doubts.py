"""What keeps conditions from being believed, said once for every analyzer: failed calls, busy machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Finding
from sebsx.reading.conditions import label, labels
from sebsx.reading.starved import about_starved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.reading.conditions import Condition


def about_failed(found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning for each condition and each way in which some of its calls failed."""
    for condition in found:
        for status, count in sorted(condition.failed.items()):
            text = f"{label(condition, found)}: {count} of {len(condition.frame)} calls ended as {status}"
            yield Finding(text, numbers={"status": status, "count": count}, warning=True)


def about_conditions(found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning for what failed, and for what was starved where answers leave that out."""
    yield from about_failed(found)
    yield from about_starved(labels(found), [each.starved for each in found], "left out of answers")
