"""Why invocations failed: each error once, with the traceback that the function gave, and how often it came."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sebsx.model import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.runs import RunView

# Names of variables whose values are secrets, and how long a value must be to be found in a text.
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_LONG_ENOUGH = 6
# So many failed invocations of a status are read: the rest says the same.
_READ = 10_000


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One way in which invocations failed.

    Args:
        status: Of the invocations.
        error: Type and message, in one line.
        detail: What came with it, as a traceback; empty for nothing.
        count: How many invocations failed so.
        where: The cells, in words.
    """

    status: Status
    error: str
    detail: str
    count: int
    where: tuple[str, ...]


def failures(view: RunView) -> list[Failure]:
    """Return how invocations of a run failed, what came most often first; warm-ups count, too."""
    labels = {cell.id: view.factors.label(cell.factors) for cell in view.cells()}
    counts: dict[tuple[Status, str], int] = {}
    details: dict[tuple[Status, str], str] = {}
    where: dict[tuple[Status, str], dict[str, None]] = {}
    for status, error, cell_id in _failed(view):
        first, _, detail = without_environment(error).partition("\n")
        key = status, first
        counts[key] = counts.get(key, 0) + 1
        details[key] = details.get(key) or detail
        where.setdefault(key, {})[labels.get(cell_id or 0, "")] = None
    return [
        Failure(status=key[0], error=key[1], detail=details[key], count=count, where=tuple(filter(None, where[key])))
        for key, count in sorted(counts.items(), key=lambda item: -item[1])
    ]


def without_environment(text: str) -> str:
    """Return a text without the values of the secrets that stand in the environment of this process."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _LONG_ENOUGH:
            text = text.replace(value, f"(secret {name})")
    return text


def _failed(view: RunView) -> Iterator[tuple[Status, str, int | None]]:
    statuses = dict.fromkeys(status for kind, status, _ in view.counts() if status is not Status.OK)
    for status in statuses:
        for kind in (Kind.MEASURED, Kind.WARMUP):
            for each in islice(view.invocations(kind=kind, status=status), _READ):
                yield status, each.error or "no reason given", each.cell_id
