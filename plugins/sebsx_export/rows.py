"""What exporters of raw rows write: the view `invocations`, where each row comes from, and its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx_export.figures import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.store.reader import RunView

_SOURCE = ("run_started_at", "git_commit")


class WideRows:
    """Rows with one column for each sample, in pages: the same columns for all runs.

    Args:
        runs: The runs.

    Raises:
        UserError: If there is none.
    """

    def __init__(self, runs: Sequence[RunView]) -> None:
        self._runs = needed(runs)
        self.view_columns = self._runs[0].row_columns()
        self.samples = sorted({name for run in runs for name in run.sample_names()})
        self.columns = [*self.view_columns, *_SOURCE, *self.samples]

    def pages(self) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield pages of rows, run by run and by sequence."""
        place = self.view_columns.index("invocation_id")
        for run in self._runs:
            source = source_of(run)
            constant = (source.started_at, source.commit)
            for page in run.pages():
                if not self.samples:
                    yield [(*row, *constant) for row in page]
                    continue
                found = run.samples([row[place] for row in page])
                yield [(*row, *constant, *map(found.get(row[place], {}).get, self.samples)) for row in page]


def needed(runs: Sequence[RunView]) -> Sequence[RunView]:
    """Return the runs.

    Raises:
        UserError: If there is none.
    """
    if not runs:
        raise UserError("there is no run to export; 'sebsx runs' lists those that are stored")
    return runs
