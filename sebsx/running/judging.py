"""Whether a run that was carried out to its end worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model import CellStatus, Kind, RunStatus, Status
from sebsx.system.outside import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.runs import RunView

LEAST_SHARE = 0.2
"""A run in which a smaller share of the measured calls succeeded is `unsuccessful`."""
_MOST_CHARACTERS = 200


def judge(view: RunView) -> tuple[RunStatus, str | None]:
    """Return how a run ended in which every cell had its turn, and why it is not `finished`.

    It is `unsuccessful` if fewer than a fifth of the measured calls that were sent succeeded, or if there were none and
    no cell was finished without any, as where none was begun.
    """
    ended: dict[Status, int] = {}
    for (kind, status, _), n in view.counts().items():
        if kind is Kind.MEASURED and status is not Status.DROPPED:
            ended[status] = ended.get(status, 0) + n
    sent, good = sum(ended.values()), ended.get(Status.OK, 0)
    if sent:
        return (RunStatus.FINISHED, None) if good >= LEAST_SHARE * sent else (RunStatus.UNSUCCESSFUL, _why(view, ended))
    cells = view.cells()
    if not cells:
        return RunStatus.UNSUCCESSFUL, "nothing was measured: the experiment began no cell of its plan"
    if all(cell.status is not CellStatus.FINISHED for cell in cells):
        reason = cells[0].error or cells[0].stop_reason or cells[0].status.value
        return RunStatus.UNSUCCESSFUL, f"nothing was measured: {_first_line(reason)}"
    return RunStatus.FINISHED, None


def _why(view: RunView, ended: Mapping[Status, int]) -> str:
    sent, good = sum(ended.values()), ended.get(Status.OK, 0)
    share = f"only {good} of {sent} measured invocations succeeded" if good else f"none of {sent} measured invocations"
    counts = sorted(((n, status.value) for status, n in ended.items() if status is not Status.OK), reverse=True)
    failures = ", ".join(f"{n} {status}" for n, status in counts)
    text = f"{share}{'' if good else ' succeeded'} ({failures})"
    first = next((row for row in view.rows(columns=("kind", "status", "error")) if _failed(row)), None)
    return f"{text}; the first failed with {first['status']}: {_first_line(first['error'])}" if first else text


def _failed(row: Mapping[str, object]) -> bool:
    return row["kind"] == Kind.MEASURED and row["status"] not in (Status.OK, Status.DROPPED)


def _first_line(text: str | None) -> str:
    return visible((text or "no reason given").partition("\n")[0])[:_MOST_CHARACTERS]
