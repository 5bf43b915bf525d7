"""What exporters of raw rows write: the view `invocations`, where each row comes from, and its samples.

Rows of an invalid measurement are there, with the reason in `invalid`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.model import CellStatus
from sebsx_export.figures import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.store.reader import RunView

_SOURCE = ("run_started_at", "git_commit", "invalid")


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
        place, cell = map(self.view_columns.index, ("invocation_id", "cell_id"))
        for run in self._runs:
            source = source_of(run)
            invalid = invalid_cells(run)
            keys = (None, *(item.id for item in run.cells()))
            told = {key: (source.started_at, source.commit, invalid.get(key or 0)) for key in keys}
            for page in run.pages():
                if not self.samples:
                    yield [(*row, *told[row[cell]]) for row in page]
                    continue
                found = run.samples([row[place] for row in page])
                yield [(*row, *told[row[cell]], *map(found.get(row[place], {}).get, self.samples)) for row in page]


def invalid_cells(run: RunView) -> Mapping[int, str]:
    """Return why cells of a run must not be believed, by their rows; those that may be are not among them."""
    return {cell.id: cell.stop_reason or "invalid" for cell in run.cells() if cell.status is CellStatus.INVALID}


def needed(runs: Sequence[RunView]) -> Sequence[RunView]:
    """Return the runs.

    Raises:
        UserError: If there is none.
    """
    if not runs:
        raise UserError("there is no run to export; 'sebsx runs' lists those that are stored")
    return runs
