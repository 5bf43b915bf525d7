"""Which condition of one side belongs to which of the other, and what has no counterpart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.model import CellStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition

    Pair = tuple[Condition, Condition]

# What is left without an equal is matched by less and less, where that is unambiguous: two runs in different regions
# were not measured on one side only, they differ in region.
_LOOSER = (("benchmark", "memory_mib", "start"), ("benchmark", "start"))
_LOOSEST = ("start",)
_UNMEASURED = (CellStatus.FAILED, CellStatus.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class Missing:
    """A condition that was measured on one side only.

    Args:
        side: `base` or `new`: where it is missing.
        label: What it is called.
        reason: Why, as far as the run says.
    """

    side: str
    label: str
    reason: str

    def __str__(self) -> str:
        return f"{self.label} is missing in {self.side}: {self.reason}"


def pair(
    base: Sequence[Condition], new: Sequence[Condition], studied: frozenset[str]
) -> tuple[list[Pair], list[Condition], list[Condition]]:
    """Return the pairs in the order of `base`, and what is left on each side.

    Args:
        base: Conditions of one side.
        new: Of the other.
        studied: Columns of the identity that are meant to differ.
    """
    found: dict[int, Condition] = {}
    places = {id(one): place for place, one in enumerate(base)}
    left, right = list(base), list(new)
    columns = sorted({key for one in (*base, *new) for key in one.identity} - studied)
    looser = [[key for key in keys if key not in studied] for keys in (*_LOOSER, _LOOSEST)]
    # A start that may differ, as cold from restored, still tells cold from warm where the sides have both.
    for keys in ([*columns, "start"], columns, *looser):
        if keys is looser[-1] and found:
            break
        matches = list(_match(left, right, keys))
        found.update({places[id(one)]: other for one, other in matches})
        taken = {id(condition) for match in matches for condition in match}
        left = [one for one in left if id(one) not in taken]
        right = [one for one in right if id(one) not in taken]
    return [(base[place], found[place]) for place in sorted(found)], left, right


def unmeasured(view: RunView, found: Iterable[Condition]) -> Iterator[tuple[str, str]]:
    """Yield what a run planned and never measured, with the reason.

    Args:
        view: The run.
        found: Its conditions.
    """
    measured, factors = {condition.cell.id for condition in found if condition.cell}, view.factors
    for cell in view.cells():
        if cell.status in _UNMEASURED and cell.id not in measured:
            yield factors.label(cell.factors), cell.error or cell.stop_reason or str(cell.status)


def _match(left: Sequence[Condition], right: Sequence[Condition], keys: Sequence[str]) -> Iterator[Pair]:
    ours, theirs = _by(left, keys), _by(right, keys)
    for key, mine in ours.items():
        if len(mine) == len(theirs.get(key, ())) == 1:
            yield mine[0], theirs[key][0]


def _by(found: Iterable[Condition], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Condition]]:
    groups: dict[tuple[Any, ...], list[Condition]] = {}
    for condition in found:
        levels = {**condition.identity, "start": condition.wanted}  # what it was had as may differ
        key = tuple(str(levels.get(name)) for name in keys)
        groups.setdefault(key, []).append(condition)
    return groups
