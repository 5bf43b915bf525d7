"""What an experiment may do with the store while it plans: read what earlier runs left there, and nothing else."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.contracts.commands import Results
    from sebsx.contracts.runs import RunView
    from sebsx.model import Run


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
