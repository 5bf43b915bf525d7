"""How much of the handler's time is the work that a benchmark is named for, and what is said where it is little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Finding
from sebsx.model.meaning import LEAST_SHARE, SUBJECT
from sebsx.reading.units import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sebsx.model.frame import Frame
    from sebsx.model.metrics import Metric
    from sebsx.reading.conditions import Condition

COLUMNS = (SUBJECT, "function.duration_s")
"""What a frame must have for a share to be told."""
_TOLD_EACH = 2


def subject_share(frame: Frame) -> float | None:
    """Return the median share of the handler's time that the named work took; None where the benchmark names none."""
    import numpy as np  # heavy

    if not all(name in frame for name in COLUMNS):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = frame[SUBJECT] / frame["function.duration_s"]
    known = shares[np.isfinite(shares)]
    return float(np.median(known)) if len(known) else None


def little(found: Sequence[Condition]) -> float | None:
    """Return the least share of the named work among some conditions where that is too little to be passed over."""
    shares = [share for each in found if (share := subject_share(each.counted)) is not None]
    return min(shares) if shares and min(shares) < LEAST_SHARE else None


def in_words(share: float) -> str:
    """Return what is said of such a share: `the named work is 37 % of the handler's time`."""
    return f"the named work is {show(share, '1')} of the handler's time"


def about_subjects(names: Sequence[str], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning for each condition whose named work is little, one for all where they are many.

    Args:
        names: Of the conditions, as the report shows them.
        found: The conditions.
    """
    shares = [(name, subject_share(each.counted)) for name, each in zip(names, found, strict=True)]
    low = [(name, share) for name, share in shares if share is not None and share < LEAST_SHARE]
    advice = f"; the rest is work around it: read and compare {SUBJECT}"
    if len(low) > _TOLD_EACH:
        name, least = min(low, key=lambda pair: pair[1])
        text = (
            f"in {len(low)} of {len(found)} conditions the named work is less than {show(LEAST_SHARE, '1')} of the "
            f"handler's time, in {name} {show(least, '1')}"
        )
        yield Finding(text + advice, numbers={"subject_share": least}, warning=True)
        return
    for name, share in low:
        yield Finding(f"{name}: {in_words(share)}{advice}", numbers={"subject_share": share}, warning=True)


def about_compared(pairs: Iterable[tuple[str, Sequence[Condition]]], metrics: Iterable[Metric]) -> Iterator[str]:
    """Yield that a change of the named work hardly shows, where it is little and is not compared itself.

    Args:
        pairs: What is compared, by its label.
        metrics: What of it is compared.
    """
    if any(metric.name == SUBJECT for metric in metrics):
        return
    shares = {label: share for label, sides in pairs if (share := little(sides)) is not None}
    if shares:
        least = min(shares, key=lambda label: shares[label])
        more = f", and little in {len(shares) - 1} more" if len(shares) > 1 else ""
        yield (
            f"{least}: {in_words(shares[least])}{more}, so that a change of it hardly shows here: "
            f"compare --metric {SUBJECT}"
        )
