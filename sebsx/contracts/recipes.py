"""The contract of a recipe: how a published table is measured again, and what it must come to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCell:
    """A number that was published, and where it stands in the report of an analyzer.

    Args:
        table: Name of the table.
        row: Words by which its row is found, by column: `{"function": "csv"}`.
        column: Key of its column.
        value: As published, in the unit of the column.
        tolerance: By how much a measured value may differ and still be the same, in that unit.
        unmeasurable: Why sebsx cannot measure it; empty where a run may.
    """

    table: str
    row: Mapping[str, str]
    column: str
    value: float
    tolerance: float
    unmeasurable: str = ""


class Recipe(ABC):
    """A published table as a plan, an analyzer, numbers and tolerances. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types after `sebsx reproduce`: kebab-case.
        summary: One line.
        source: Where the numbers were published.
        experiment: Measures what the table is of.
        settings: Of that experiment, by field.
        platforms: On which it was measured.
        analyzer: Makes the tables that the cells are looked up in.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    experiment: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    platforms: ClassVar[Sequence[str]] = ()
    analyzer: ClassVar[str]

    @abstractmethod
    def expected(self) -> Sequence[ExpectedCell]:
        """Return the published numbers, in the order in which they are shown."""
