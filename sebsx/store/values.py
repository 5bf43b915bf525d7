"""Values as columns hold them: dates as text, and whether each is of its column's type, since files get damaged."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Boolean, Double, Integer, LargeBinary, Table, Text

from sebsx.errors import StoreError
from sebsx.model import CellStatus, Design, Kind, PhaseStatus, ResourceState, RunStatus, StartType, Status
from sebsx.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from enum import StrEnum

_NONE = type(None)
_KEYS = frozenset({"id", "invocation_id", "sha256", "name"})
_TYPES: Mapping[type[Any], frozenset[type]] = {
    Boolean: frozenset({bool, int}),
    BigInteger: frozenset({int}),
    Integer: frozenset({int}),
    Double: frozenset({int, float}),
    Text: frozenset({str}),
    JSON: frozenset({dict}),
    LargeBinary: frozenset({bytes, memoryview}),
}
_WORDS: Mapping[tuple[str, str], type[StrEnum]] = {
    ("run", "status"): RunStatus, ("run", "design"): Design, ("cell", "status"): CellStatus,
    ("execution", "status"): Status, ("execution", "purpose"): Kind, ("phase", "status"): PhaseStatus,
    ("invocation", "kind"): Kind, ("invocation", "status"): Status, ("invocation", "start_type"): StartType,
    ("resource", "state"): ResourceState,
}  # fmt: skip


def check_rows(table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]], where: str) -> None:
    """Hold that each value of some rows is what its column may hold; see `check_columns`.

    Raises:
        StoreError: If one is not.
    """
    check_columns(table, names, list(zip(*rows, strict=True)) if rows else [], where)


def check_columns(table: Table, names: Sequence[str], columns: Sequence[Sequence[Any]], where: str) -> None:
    """Hold that each value is what its column may hold; a thousand rows cost hardly more than a few.

    Args:
        table: Where they are from.
        names: Name of each column; one that the table does not have is computed: a date in words, or a number.
        columns: Their values.
        where: Store or run, as it is named to the user.

    Raises:
        StoreError: If one is not; it names table, column, row and value.
    """
    for name, values in zip(names, columns, strict=bool(columns)):
        allowed, words = _allowed(table, name)
        if allowed.issuperset(map(type, values)) and (words is None or words.issuperset(values)):
            continue
        wrong = [type(value) not in allowed or (words is not None and value not in words) for value in values]
        place = wrong.index(True)
        key = next((each[place] for each, title in zip(columns, names, strict=True) if title in _KEYS), None)
        row = "" if key is None else f" in row {key}"
        raise damaged(where, f"column {name!r} of table {table.name!r} holds {values[place]!r}{row}")


def damaged(where: str, what: str) -> StoreError:
    """Return the error for a row that is not what it should be."""
    return StoreError(f"{where} is damaged: {what[:300]}; take it from a snapshot or measure again (sebsx db check)")


def moment(text: str) -> datetime:
    """Return a date as it is stored.

    Raises:
        StoreError: If it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise damaged("the store", f"{text!r} stands where a date should") from None


def text_of(moment: datetime) -> str:
    """Return a date as it is stored; texts sort as dates do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def now() -> str:
    """Return this moment as it is stored."""
    return text_of(datetime.now(UTC))


@cache
def _allowed(table: Table, name: str) -> tuple[frozenset[type], frozenset[str] | None]:
    """Return the types that a column may hold, and its words where it has few."""
    if name not in table.c:
        return frozenset({str, _NONE} if name.endswith("_at") else {int, float, _NONE}), None
    column = table.c[name]
    types: Iterable[type] = next(types for kind, types in _TYPES.items() if isinstance(column.type, kind))
    enum = _WORDS.get((table.name, name))
    return frozenset({*types, *((_NONE,) if column.nullable else ())}), frozenset(enum) if enum else None


TABLES = tuple(table for table in schema.metadata.sorted_tables if table is not schema.artifact_chunk)
