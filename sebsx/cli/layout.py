"""How a table fits: one rule for all tables, whatever command or analyzer they come from.

What tells rows apart is never cut. A column that is empty, or equal in all rows, is left out and told in the caption;
so are the rows where only their names are left.
What does not fit beside the rest is left to `--wide`, the last columns first; where too little would be left, each row
becomes a record of lines. No word and no number is torn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.units import show
from sebsx.system.outside import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sebsx.contracts.analyzers import Column, Table

# Below this width a table that does not fit is a list of records.
RECORDS_BELOW = 60
# Words are folded between words, but not into a narrower column than this, or than that to keep a table from becoming
# records.
_COMFORTABLE, _NARROWEST = 32, 16
GAP = 2
_FEW = 6  # levels that a caption names
# What stands in a cell that has nothing to say.
NOTHING = frozenset({"", "-"})


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A column as texts.

    Args:
        key: As in the rows.
        title: Its heading.
        cells: One for each row.
        words: Whether it holds words, which may be folded, and not numbers.
        essential: Whether it is never left out for want of room.
    """

    key: str
    title: str
    cells: tuple[str, ...]
    words: bool
    essential: bool

    @classmethod
    def of(cls, column: Column, table: Table) -> Shown:
        """Return a column of a table."""
        values = [row.get(column.key) for row in table.rows]
        return cls(
            key=column.key,
            title=visible(column.title),
            cells=tuple(visible(show(value, column.unit)).strip() for value in values),
            words=any(isinstance(value, str) for value in values) and not any(map(_is_number, values)),
            essential=column.essential,
        )

    @cached_property
    def natural(self) -> int:
        """Width in which nothing is folded."""
        return max(map(cell_len, (self.title, *self.cells)))

    @cached_property
    def least(self) -> int:
        """Width that the column is not made narrower than."""
        return self._folded_to(_COMFORTABLE)

    @cached_property
    def narrowest(self) -> int:
        """Width that the column is made narrower than only in a list of records."""
        return self._folded_to(_NARROWEST)

    def _folded_to(self, comfortable: int) -> int:
        title = max(map(cell_len, self.title.split()), default=0)
        if not self.words:
            return max(title, *map(cell_len, self.cells))
        longest = max((cell_len(word) for cell in self.cells for word in cell.split()), default=0)
        return max(title, longest, min(max(map(cell_len, self.cells)), comfortable))

    def tells(self, cell: str) -> str:
        """Return a cell with what it is: `start warm`, `512 MiB`, `failed 0`."""
        if self.title and self.key.endswith(f"_{self.title.lower()}"):  # the heading is the unit
            return f"{cell} {self.title}"
        return f"{self.title} {cell}".strip()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A table as it is drawn.

    Args:
        title: Above it.
        caption: Under the title.
        columns: Those that are shown.
        widths: Of each; None where every row is a record.
        names: How many of the columns, from the first, name a row.
    """

    title: str
    caption: str
    columns: tuple[Shown, ...]
    widths: tuple[int, ...] | None
    names: int

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of each row; none where the caption tells all there is."""
        yield from zip(*(column.cells for column in self.columns), strict=True)


def arranged(table: Table, width: int | None, *, wide: bool = False) -> Layout:
    """Return how a table with rows is drawn in a width; None is as wide as it needs.

    Args:
        table: The table.
        width: Room in columns of the terminal.
        wide: Show every column, whatever the room.
    """
    given = [Shown.of(column, table) for column in table.columns]
    several = len(table.rows) > 1
    caption = [visible(table.caption)]
    kept = given
    if not wide:
        kept = [column for column in given if not _is_empty(column) and not (several and _is_equal(column))] or given[
            :1
        ]
        left = [column for column in given if column not in kept]
        if several and left and _says_names_alone(kept, len(table.rows)):
            caption += (column.tells(", ".join(dict.fromkeys(column.cells))) for column in kept)
            kept = []
        caption += _told(left)
    names = _naming(kept) if several else 0
    essential = [column for place, column in enumerate(kept) if column.essential or place < names]
    if wide or width is None or _total(column.least for column in kept) <= width:
        columns, records = kept, False
    else:
        columns = _fitting(kept, essential, width)
        records = not several or width < RECORDS_BELOW or not columns
        columns = kept if records else columns
    if hidden := [column.title or column.key for column in kept if column not in columns]:
        caption.append(f"--wide adds {', '.join(hidden)}")
    widths = None if records else tuple(_widths(columns, None if wide else width))
    return Layout(
        title=visible(table.name),
        caption="; ".join(filter(None, caption)),
        columns=tuple(columns),
        widths=widths,
        names=max(names, 1) if several else 0,
    )


def _told(left: Sequence[Shown]) -> Iterator[str]:
    """Yield what a caption says of columns that are left out: those that say the same are named together."""
    alike: dict[str, list[Shown]] = {}
    for column in left:
        alike.setdefault("" if _is_empty(column) else column.cells[0], []).append(column)
    for cell, columns in alike.items():
        titles = ", ".join(column.title for column in columns if column.title)
        if not cell:
            yield f"empty: {titles}" if titles else ""
        else:
            yield columns[0].tells(cell) if len(columns) == 1 else f"{titles} {cell}"


def _says_names_alone(columns: Sequence[Shown], rows: int) -> bool:
    """Return whether rows hold nothing but levels, each with each: two words say as much as a table of them."""
    levels = [len(set(column.cells)) for column in columns]
    short = all(column.essential and column.natural <= _COMFORTABLE for column in columns)
    return short and prod(levels) == rows and max(levels) <= _FEW


def _naming(columns: Sequence[Shown]) -> int:
    """Return how many of the first columns tell all rows apart; 1 where not even all of them do."""
    for count in range(1, len(columns) + 1):
        rows = list(zip(*(column.cells for column in columns[:count]), strict=True))
        if len(set(rows)) == len(rows):
            return count
    return 1


def _fitting(columns: Sequence[Shown], essential: Sequence[Shown], width: int) -> list[Shown]:
    """Return the columns that fit: the last ones give way first. Empty where not even the essential ones do."""
    fitting = list(columns)
    for column in reversed(columns):
        if _total(each.least for each in fitting) <= width:
            return fitting
        if column not in essential:
            fitting.remove(column)
    return fitting if _total(each.narrowest for each in fitting) <= width else []


def _widths(columns: Sequence[Shown], width: int | None) -> list[int]:
    """Return how wide each column is: the widest are folded first, and none is narrow before all are folded."""
    widths = [column.natural for column in columns]
    for least in ([column.least for column in columns], [column.narrowest for column in columns]):
        while width is not None and _total(widths) > width:
            foldable = [place for place, width_now in enumerate(widths) if width_now > least[place]]
            if not foldable:
                break
            widths[max(foldable, key=widths.__getitem__)] -= 1
    return widths


def _total(widths: Iterable[int]) -> int:
    """Return how wide a table of such columns is, with what stands between them."""
    return sum(width + GAP for width in widths) - GAP


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Estimate) and not isinstance(value, bool)


def _is_empty(column: Shown) -> bool:
    return not set(column.cells) - NOTHING


def _is_equal(column: Shown) -> bool:
    return len(set(column.cells)) == 1
