"""Values as columns hold them: dates as text, and whether each is of its column's type, since files get damaged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sebsx.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Allowed = tuple[frozenset[type], frozenset[str] | None]  # types of a column, and its words where it has few

_KEYS = frozenset({"id", "invocation_id", "sha256", "name"})


def check_values(
    table: str, names: Sequence[str], columns: Sequence[Sequence[Any]], allowed: Callable[[str], Allowed], where: str
) -> None:
    """Check that each value is one that its column may have; a thousand rows cost hardly more than a few.

    Args:
        table: Name of where they are from.
        names: Name of each column.
        columns: Their values.
        allowed: Returns what a column may have.
        where: Store or run, as it is named to the user.

    Raises:
        StoreError: If one is not; it names table, column, row and value.
    """
    for name, values in zip(names, columns, strict=bool(columns)):
        types, words = allowed(name)
        if types.issuperset(map(type, values)) and (words is None or words.issuperset(values)):
            continue
        wrong = [type(value) not in types or (words is not None and value not in words) for value in values]
        place = wrong.index(True)
        key = next((each[place] for each, title in zip(columns, names, strict=True) if title in _KEYS), None)
        row = "" if key is None else f" in row {key}"
        raise damaged(where, f"column {name!r} of table {table!r} holds {values[place]!r}{row}")


def damaged(where: str, what: str) -> StoreError:
    """Return the error for a row that is not what it should be."""
    return StoreError(f"{where} is damaged: {what[:300]}; take it from a snapshot or measure again (sebsx db check)")


def moment(text: str) -> datetime:
    """Return a date as it is stored.

    Raises:
        StoreError: If it is none, or one without a time zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        found = None
    if found is None or found.tzinfo is None:
        raise damaged("the store", f"{text!r} stands where a date should")
    return found


def text_of(moment: datetime) -> str:
    """Return a date as it is stored; texts sort as dates do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def now() -> str:
    """Return this moment as it is stored."""
    return text_of(datetime.now(UTC))
