"""Why invocations failed: each error once, with the traceback, what the function had printed, and how often it came."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sebsx.model import Kind, Status
from sebsx.system.outside import without_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import StoredInvocation

_OUTPUT = "function.output"
# So many failed invocations of a status are read: the rest says the same.
_READ = 10_000


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One way in which invocations failed.

    Args:
        status: Of the invocations.
        error: Type and message, in one line.
        detail: What came with it, as a traceback; empty for nothing.
        output: What the function had printed by then, its last 4 KB; empty where that is not known.
        count: How many invocations failed so.
        where: The cells, in words.
    """

    status: Status
    error: str
    detail: str
    output: str
    count: int
    where: tuple[str, ...]


def failures(view: RunView) -> list[Failure]:
    """Return how invocations of a run failed, what came most often first; warm-ups count, too."""
    labels = {cell.id: view.factors.label(cell.factors) for cell in view.cells()}
    counts: dict[tuple[Status, str], int] = {}
    details: dict[tuple[Status, str], str] = {}
    outputs: dict[tuple[Status, str], str] = {}
    where: dict[tuple[Status, str], dict[str, None]] = {}
    printed = {value.sequence: value.text or "" for value in view.values() if value.metric == _OUTPUT}
    for status, each in _failed(view):
        first, _, detail = without_environment(each.error or "no reason given").partition("\n")
        key, cell_id = (status, first), each.cell_id
        counts[key] = counts.get(key, 0) + 1
        details[key] = details.get(key) or detail
        outputs[key] = outputs.get(key) or without_environment(printed.get(each.sequence, ""))
        where.setdefault(key, {})[labels.get(cell_id or 0, "")] = None
    return [
        Failure(
            status=key[0],
            error=key[1],
            detail=details[key],
            output=outputs[key],
            count=count,
            where=tuple(filter(None, where[key])),
        )
        for key, count in sorted(counts.items(), key=lambda item: -item[1])
    ]


def nothing_worked(views: Iterable[RunView]) -> bool:
    """Return whether no measured call of some runs ended well."""
    return not any((kind, status) == (Kind.MEASURED, Status.OK) for view in views for kind, status, _ in view.counts())


def unmeasured(views: Iterable[RunView]) -> Iterator[str]:
    """Yield one sentence for each benchmark of runs in which no call ended well: what a run found, if only nothing."""
    for view in views:
        cells = view.cells() if nothing_worked([view]) else []
        where: dict[str, dict[str, None]] = {}
        for cell in cells:
            where.setdefault(str(cell.factors.get("benchmark")), {})[str(cell.factors.get("platform"))] = None
        for benchmark, platforms in where.items():
            yield f"{benchmark} on {', '.join(platforms)}: nothing was measured"


def _failed(view: RunView) -> Iterator[tuple[Status, StoredInvocation]]:
    statuses = dict.fromkeys(status for kind, status, _ in view.counts() if status is not Status.OK)
    for status in statuses:
        for kind in (Kind.MEASURED, Kind.WARMUP):
            for each in islice(view.invocations(kind=kind, status=status), _READ):
                yield status, each
