"""Levels of factors: those of a design as rows of a table, and those that a condition had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, factor_column
from sebsx.model import Factors
from sebsx.model.factors import level_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model.stored import StoredCell, StoredDeployment

# What every condition has, as its deployments report it; the experiment's own factors follow, and its start.
DEPLOYED = ("platform", "region", "benchmark", "size", "language", "architecture", "memory_mib")


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


def identity_of(factors: Factors, cell: StoredCell | None, deployment: StoredDeployment) -> dict[str, Any]:
    """Return what a condition is: what its deployment reports, the experiment's own factors, and its start."""
    levels = cell.factors if cell else {}
    own = {key: level_word(levels[key]) for key in factors.compared(levels) if key not in (*DEPLOYED, "start")}
    known = {key: getattr(deployment, key) for key in DEPLOYED}
    known["memory_mib"] = deployment.memory_mib or None  # 0 where nobody knows it
    return {**known, **own, "start": levels.get("start")}
