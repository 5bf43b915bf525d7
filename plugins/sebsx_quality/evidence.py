"""What the analyzers of this plugin read out of a run in the same way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model.frame import Frame, Places

READY = ("ready", "deleted")  # states of a deployment that took invocations


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
    return {who: what for who, what in told_json(evidence).items() if isinstance(what, str) and what != "unknown"}


def told_json(text: str | None) -> Mapping[str, Any]:
    """Return an object that was stored as text; empty where it is none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
