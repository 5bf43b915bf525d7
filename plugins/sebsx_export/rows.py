"""What exporters of raw rows write: the view `invocations`, where each row comes from, and its samples.

Columns and not rows are handed out, since a million rows become text in a third of the time that way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Self

from sebsx.errors import UserError
from sebsx.model import CellStatus
from sebsx.model.factors import CORE_FACTORS
from sebsx.store.schema import SHARED
from sebsx_export.figures import source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page

_LEVELS = "factors"
# What rows have in common with those of their cell; `invalid` says why a measurement must not be believed.
COMMON = (*(name for name in SHARED if name != _LEVELS), "run_started_at", "git_commit", "invalid")
# The view has these by another name, or they are a place on the machine that measured.
_SAID = frozenset({"start", "folder"})


@dataclass(frozen=True)
class Provenance:
    """Where the rows of a run come from.

    Args:
        started_at: Of the run.
        commit: Of the folder that it ran in.
        invalid: Cells that must not be believed, and why.
        factors: Names of the factors that have a column, by that column.
    """

    started_at: str
    commit: str | None
    invalid: Mapping[int, str]
    factors: Mapping[str, str]

    @classmethod
    def of(cls, run: RunView, factors: Mapping[str, str]) -> Self:
        """Return that of a run."""
        source = source_of(run)
        return cls(source.started_at, source.commit, invalid_cells(run), factors)

    def of_groups(self, page: Page) -> list[list[Any]]:
        """Return the values of the columns `COMMON` and of those of factors, for each group of a page."""
        return [
            [
                *(group[name] for name in SHARED if name != _LEVELS),
                *(self.started_at, self.commit, self.invalid.get(group["cell_id"])),
                *(_field(group[_LEVELS].get(name)) for name in self.factors.values()),
            ]
            for group in page.shared
        ]


def factor_columns(runs: Sequence[RunView]) -> dict[str, str]:
    """Return the columns of what was varied in some runs, with the factor in each, in the order of the declarations.

    A factor that the view has as a column already has none here; one that is named as another column is `factor_NAME`.
    """
    found = reduce(or_, (run.factors for run in needed(runs)))
    taken = {*COMMON, *runs[0].row_columns()}
    given = {name for run in runs for cell in run.cells() for name, level in cell.factors.items() if level is not None}
    core = {factor.name for factor in CORE_FACTORS}
    names = [name for name in found.ordered(given) if name not in _SAID and not (name in core and name in taken)]
    return {f"factor_{name}" if name in taken else name: name for name in names}


def levels_of(runs: Sequence[RunView], name: str) -> list[Any]:
    """Return the levels of a factor as fields, those of all cells of some runs."""
    return [_field(cell.factors.get(name)) for run in runs for cell in run.cells()]


def _field(level: Any) -> Any:
    """Return a level as a field: what is not a scalar is JSON."""
    return json.dumps(level, sort_keys=True) if isinstance(level, dict | list) else level


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
        raise UserError("no run to export; 'sebsx runs' lists those that are stored")
    return runs
