"""What the columns of a store's tables may hold, by the schema."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Boolean, Double, Integer, LargeBinary, Table, Text

from sebsx.model import CellStatus, Design, Kind, PhaseStatus, ResourceState, RunStatus, StartType, Status
from sebsx.store import schema
from sebsx.store.values import check_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from enum import StrEnum

_NONE = type(None)
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
    """Check that each value of some rows is what its column may hold; see `check_columns`.

    Raises:
        StoreError: If one is not.
    """
    check_columns(table, names, list(zip(*rows, strict=True)) if rows else [], where)


def check_columns(table: Table, names: Sequence[str], columns: Sequence[Sequence[Any]], where: str) -> None:
    """Check that each value is what its column may hold; a thousand rows cost hardly more than a few.

    Args:
        table: Where they are from.
        names: Name of each column; one that the table does not have is computed: a date in words, or a number.
        columns: Their values.
        where: Store or run, as it is named to the user.

    Raises:
        StoreError: If one is not; it names table, column, row and value.
    """
    check_values(table.name, names, columns, partial(allowed, table), where)


@cache
def allowed(table: Table, name: str) -> tuple[frozenset[type], frozenset[str] | None]:
    """Return the types that a column may hold, and its words where it has few."""
    if name not in table.c:
        return frozenset({str, _NONE} if name.endswith("_at") else {int, float, _NONE}), None
    column = table.c[name]
    types: Iterable[type] = next(types for kind, types in _TYPES.items() if isinstance(column.type, kind))
    enum = _WORDS.get((table.name, name))
    return frozenset({*types, *((_NONE,) if column.nullable else ())}), frozenset(enum) if enum else None


TABLES = tuple(table for table in schema.metadata.sorted_tables if table is not schema.artifact_chunk)
