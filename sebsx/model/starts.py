"""Which start types count where a design asks for a start, and what a sample of them is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model import StartType

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sebsx.model.frame import Frame, Mask

# A sandbox restored from a snapshot is the cold start of a function that has one. The view `measured` says the same.
COUNTED: Mapping[str, tuple[StartType, ...]] = {
    "cold": (StartType.COLD, StartType.RESTORED),
    "warm": (StartType.WARM,),
}


def counts(start_type: str | None, wanted: str | None) -> bool:
    """Tell whether an invocation that started so counts for a design that wants a start.

    Every start type does where the design wants none of `COUNTED`: a burst is whatever the platform makes of it.
    """
    return start_type in COUNTED.get(wanted or "", (start_type,))


def counting(frame: Frame, wanted: str | None) -> Mask:
    """Return which invocations count for a design that wants a start, as far as that depends on it."""
    import numpy as np  # heavy

    codes, words = frame.codes("start_type")
    mask: Mask = np.array([counts(word, wanted) for word in words], dtype=bool)[codes]
    return mask


def start_name(wanted: str | None, had: Collection[str | None]) -> str | None:
    """Return what to call a sample that a design wanted, by the start types it has.

    Cold starts are named by what they were: `cold`, `restored`, or `cold+restored` for a mixture. The name is what was
    wanted where nothing counts, and where every start type does.
    """
    return "+".join(start for start in COUNTED.get(wanted or "", ()) if start in had) or wanted
