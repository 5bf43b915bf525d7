"""Published cells beside those of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Report, Table
    from sebsx.contracts.recipes import ExpectedCell

REPRODUCED, DEVIATES, NOT_MEASURED = "reproduced", "deviates", "not measured"
UNMEASURABLE = "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A published number and what was measured.

    Args:
        cell: As published.
        measured: None where the report has no such number.
        unit: Of both.
    """

    cell: ExpectedCell
    measured: float | None
    unit: str = ""

    @property
    def status(self) -> str:
        """`reproduced`, `deviates`, `not measured` or `not measurable here`."""
        if self.measured is None:
            return UNMEASURABLE if self.cell.unmeasurable else NOT_MEASURED
        return REPRODUCED if abs(self.measured - self.cell.value) <= self.cell.tolerance else DEVIATES

    @property
    def words(self) -> str:
        """The status, and by how much it deviates."""
        if self.status == UNMEASURABLE:
            return f"{UNMEASURABLE}: {self.cell.unmeasurable}"
        if self.measured is None or self.status == REPRODUCED:
            return self.status
        by = self.measured - self.cell.value
        amount = f"{100 * by:+.2f} points" if self.unit == "1" else f"{by:+.3g}{f' {self.unit}' if self.unit else ''}"
        return f"deviates by {amount}"


def compare(expected: Sequence[ExpectedCell], report: Report | None) -> list[Compared]:
    """Return each published number beside that of a report; None is for a report that was not made."""
    tables = {table.name: table for table in report.tables} if report else {}
    return [_compared(cell, tables.get(cell.table)) for cell in expected]


def _compared(cell: ExpectedCell, table: Table | None) -> Compared:
    if table is None:
        return Compared(cell=cell, measured=None)
    unit = next((column.unit for column in table.columns if column.key == cell.column), "")
    row = next((row for row in table.rows if all(str(row.get(key)) == word for key, word in cell.row.items())), {})
    return Compared(cell=cell, measured=_number(row.get(cell.column)), unit=unit)


def _number(value: Any) -> float | None:
    from sebsx.contracts.analyzers import Estimate  # heavy

    found = value.value if isinstance(value, Estimate) else value
    return float(found) if isinstance(found, int | float) else None
