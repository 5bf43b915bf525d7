"""The cells of a design as rows of a table: a column for each factor that varies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, factor_column
from sebsx.model import Factors
from sebsx.model.factors import level_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def level_columns(factors: Factors, cells: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns that tell the cells of a design apart: every factor that varies, and what is always told.

    Args:
        factors: Of the design.
        cells: The levels of its cells.
    """
    given = dict.fromkeys(name for cell in cells for name, value in cell.items() if value not in (None, ""))
    varying = Factors.of(factors.declared, cells)
    return [factor_column(factors[name]) for name in varying.telling(given)]


def levels_of(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the levels of a cell as a row of a table."""
    return {name: level_word(value) for name, value in cell.items()}
