"""What exporters of raw rows write: the view `invocations`, where each row comes from, and its samples.

Columns and not rows are handed out, since a million rows become text in a third of the time that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sebsx.errors import UserError
from sebsx.model import CellStatus
from sebsx.store.schema import SHARED
from sebsx_export.figures import source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page

# What rows have in common with those of their cell; `invalid` says why a measurement must not be believed.
COMMON = (*SHARED, "run_started_at", "git_commit", "invalid")


@dataclass(frozen=True)
class Provenance:
    """Where the rows of a run come from.

    Args:
        started_at: Of the run.
        commit: Of the folder that it ran in.
        invalid: Cells that must not be believed, and why.
    """

    started_at: str
    commit: str | None
    invalid: Mapping[int, str]

    @classmethod
    def of(cls, run: RunView) -> Self:
        """Return that of a run."""
        source = source_of(run)
        return cls(source.started_at, source.commit, invalid_cells(run))

    def of_groups(self, page: Page) -> list[list[Any]]:
        """Return the values of the columns `COMMON` for each group of a page."""
        return [
            [*(group[name] for name in SHARED), self.started_at, self.commit, self.invalid.get(group["cell_id"])]
            for group in page.shared
        ]


def invalid_cells(run: RunView) -> Mapping[int, str]:
    """Return why cells of a run must not be believed, by their rows; those that may be are not among them."""
    return {cell.id: cell.stop_reason or "invalid" for cell in run.cells() if cell.status is CellStatus.INVALID}


def wide_columns(runs: Sequence[RunView]) -> tuple[list[str], list[str]]:
    """Return the columns of rows besides `COMMON`, the same for all runs: those of the view, and one for each sample.

    Raises:
        UserError: If there is no run.
    """
    own = [name for name in needed(runs)[0].row_columns() if name not in SHARED]
    return own, sorted({name for run in runs for name in run.sample_names()})


def wide_values(page: Page, samples: Sequence[str]) -> list[Sequence[Any]]:
    """Return the values of these columns."""
    missing = [None] * len(page.groups)
    return [*page.own.values(), *(page.samples.get(name, missing) for name in samples)]


def needed(runs: Sequence[RunView]) -> Sequence[RunView]:
    """Return the runs.

    Raises:
        UserError: If there is none.
    """
    if not runs:
        raise UserError("there is no run to export; 'sebsx runs' lists those that are stored")
    return runs
