"""What an experiment may do with the store while it plans: read what earlier runs left there, and nothing else."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sebsx.contracts.scene import NoResults
from sebsx.errors import StoreError
from sebsx.system.folders import has_home, store_file
from sebsx.system.homes import expanded

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack

    from sebsx.contracts.commands import Results
    from sebsx.contracts.runs import RunView
    from sebsx.model import Run


def readable(
    stack: ExitStack,
    target: str | None,
    opened: Callable[[], AbstractContextManager[Results]],
    warn: Callable[[str], None],
) -> Results:
    """Return a store to read from; no run where there is no store yet, or none that can be read: a plan needs none.

    Args:
        stack: Closes it.
        target: Path or URL; None for the file in the user's data folder.
        opened: Opens it.
        warn: Hears why it cannot be read.
    """
    if not (has_home() or target):
        return NoResults()
    place = str(store_file() if target is None else target)
    if "://" not in place and not expanded(place).exists():
        return NoResults()
    try:
        return stack.enter_context(opened())
    except StoreError as exc:
        warn(f"earlier runs cannot be read, and give no time and cost: {exc}")
        return NoResults()


class StoredResults:
    """The runs of a store, which is opened when something is asked for the first time.

    Args:
        opened: Returns the open store.
    """

    def __init__(self, opened: Callable[[], Results]) -> None:
        self._opened = opened

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the runs, the last begun first."""
        return self._store.runs(limit)

    def view(self, name: str) -> RunView:
        """Return a run by id, its start, the name of a baseline, or `last`.

        Raises:
            UserError: If there is none.
        """
        return self._store.view(name)

    @cached_property
    def _store(self) -> Results:
        return self._opened()
