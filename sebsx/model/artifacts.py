"""Files that are kept with results: models, data sets, state machines, logs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a store holds, known by its content, and what it is for whom.

    Args:
        sha256: Digest of the content, in hex; the same content is held once.
        bytes: Its size.
        role: What it is there, in one word: `model`, `dataset`, `state-machine`, `log`.
        name: What its user calls it; a file name without a folder.
        deployment_id: Row of the deployment it belongs to; None for no one's in particular.
        cell_id: Row of the cell.
        sequence: The invocation of its run.
    """

    sha256: str
    bytes: int
    role: str
    name: str
    deployment_id: int | None = None
    cell_id: int | None = None
    sequence: int | None = None
