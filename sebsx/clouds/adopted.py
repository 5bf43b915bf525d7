"""Functions that the user has: copies of them, and changes that are put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.contracts.ledger import Ledger
    from sebsx.model import Deployment

CHANGE = "memory-change"
"""Kind of the resource that stands for a change of a function; its name tells what to put back."""
COPY = "copy"
"""What `effective["adopted"]` says of a copy."""


def undo(
    deployment: Deployment,
    ledger: Ledger,
    *,
    delete: Callable[[Deployment], None],
    put_back: Callable[[str], None],
) -> None:
    """Delete a copy, or put a change back; what was measured as it is stays as it is.

    Args:
        deployment: Of a function that was adopted.
        ledger: Where the change is written down.
        delete: Deletes a copy.
        put_back: Puts a change back, by its name.
    """
    if deployment.effective["adopted"] == COPY:
        delete(deployment)
    elif change := deployment.effective.get(CHANGE):
        put_back(change)
        ledger.deleted(CHANGE, change)
