"""How calls of functions started that tell nothing of it: by when their sandboxes were ended, and who was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model import StartType

if TYPE_CHECKING:
    from sebsx.model import Reply


class KnownStarts:
    """The starts of the calls of functions, which are told in the order in which they were answered.

    The first call after all sandboxes of a function were ended is cold. One that was sent when a sandbox was surely
    free is warm. Of all others it is unknown.

    Args:
        serves_all: Whether a sandbox that has answered serves all calls from then on, without another being started;
            else one is surely free once all earlier calls were answered.
    """

    def __init__(self, *, serves_all: bool = False) -> None:
        self._serves_all = serves_all
        self._ended: set[str] = set()  # functions that were not called since
        self._free_s: dict[str, float] = {}

    def ended(self, function: str, *, all_of_them: bool = True) -> None:
        """Take note that the sandboxes of a function were ended, or some of them were."""
        self._free_s.pop(function, None)
        if all_of_them:
            self._ended.add(function)

    def of(self, function: str, reply: Reply) -> StartType | None:
        """Return how a call started; None where that is unknown."""
        free_s = self._free_s.get(function)
        if free_s is None or not self._serves_all:
            self._free_s[function] = max(reply.done_s, free_s or 0.0)
        if function in self._ended:
            self._ended.discard(function)
            return StartType.COLD
        return StartType.WARM if free_s is not None and free_s <= reply.sent_s else None
