"""What the analyzers of this plugin read out of a run in the same way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sebsx.analyzers import Finding
from sebsx.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.store.frame import Frame, Places
    from sebsx.store.reader import RunView

READY = ("ready", "deleted")  # states of a deployment that took invocations


def about_runs(views: Sequence[RunView]) -> Iterator[Finding]:
    """Yield what must be said of the runs before anything else: that there is none, or one is empty or not finished."""
    if not views:
        yield Finding("there is no run to look at", warning=True)
    for view in views:
        run = view.run
        if not view.counts():
            yield Finding(f"run {run.id} holds no invocations: not enough data", {"run": run.id}, warning=True)
        if run.status is not RunStatus.FINISHED:
            reason = f": {run.error}" if run.error else ""
            numbers = {"run": run.id, "status": run.status.value}
            yield Finding(f"run {run.id} is {run.status.value}{reason}; this is what it stored", numbers, warning=True)


def sandboxes_of(frame: Frame) -> tuple[Places, list[tuple[int, str | None]]]:
    """Return a number for the sandbox of each invocation, and the deployment and id that each number stands for.

    A sandbox is one of a deployment; the id is None where the function told none.
    """
    import numpy as np  # heavy

    codes, words = frame.codes("sandbox_id")
    width = max(len(words), 1)
    keys, places = np.unique(frame["deployment_id"].astype(np.int64) * width + codes, return_inverse=True)
    names = [(int(key) // width, words[int(key) % width]) for key in keys]
    return places.reshape(-1), names


def told(evidence: str | None) -> Mapping[str, str]:
    """Return who said what of a start (`start_evidence`); empty where nobody did or it cannot be read."""
    try:
        found = json.loads(evidence or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {who: what for who, what in found.items() if isinstance(what, str) and what != "unknown"}


def told_json(text: str | None) -> Mapping[str, Any]:
    """Return an object that was stored as text; empty where it is none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
