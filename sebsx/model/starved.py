"""What counts as starved: a call that something else on its host kept from the processor that it was due."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

USED = "function.cpu_used"
LEAST_USED = 0.8
"""A call that had less than this share of the processor time it wanted and was due is starved."""
MOST_STARVED = 0.25
"""A larger share of starved calls moves the quantiles of a cell, and it is not held against others."""


def is_starved(samples: Mapping[str, float]) -> bool:
    """Return whether a call is known to be starved."""
    return samples.get(USED, 1.0) < LEAST_USED


def starved_share(samples: Collection[Mapping[str, float]]) -> float | None:
    """Return which share of some calls was starved, among those of which it is known; None if it is of none."""
    known = [each for each in samples if USED in each]
    return sum(map(is_starved, known)) / len(known) if known else None


def in_words(share: float) -> str:
    """Return what is said of such a share."""
    return f"starved: {100 * share:.0f} % of the calls had less than {LEAST_USED:g} of the processor time they were due"
