"""Cells that were measured before: found in earlier runs, named in a plan, and read from there by the analyzer."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sebsx.errors import SebsxError
from sebsx.model import CellStatus, Kind, Status
from sebsx.model.starved import MOST_STARVED
from sebsx.reading.conditions import conditions
from sebsx.reading.starved import starved_shares
from sebsx.reading.units import many
from sebsx.running.environment import machine
from sebsx.settings import public

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.runs import RunView
    from sebsx.contracts.scene import Scene
    from sebsx.model import Cell
    from sebsx.model.stored import StoredCell
    from sebsx.reading.conditions import Condition
    from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine

logger = logging.getLogger(__name__)

REUSED = "dnn.reused_from"
ENVIRONMENT = "environment"
_MOST_RUNS = 50  # so many are looked through, the newest first
_DIGITS = 12


def environment_of(platform: Platform[Any], engine: InferenceEngine, target: ConversionTarget) -> str:
    """Return the digest of all that a cell is measured with and that no other factor names.

    Two cells with the same factors, this one among them, are one measurement: the machine, the settings of the
    platform, the engine with its versions and the module that serves.
    """
    parts: dict[str, Any] = {"machine": machine(), "platform": public(platform.settings)}
    if not engine.lacking():  # else nothing is served
        parts |= {
            "requirements": list(engine.requirements(target)),
            "source": hashlib.sha256(engine.source().read_bytes()).hexdigest(),
        }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def measured_before(scene: Scene, experiment: str, cells: Iterable[Cell]) -> dict[str, str]:
    """Return the run that measured a cell, by the cell's hash: the newest in which it had enough calls and its share.

    Args:
        scene: Whose results are looked through.
        experiment: Whose runs.
        cells: What is asked for; those that cannot be done are passed over.
    """
    wanted = {cell.hash: cell.invocations for cell in cells if cell.unsupported is None}
    found: dict[str, str] = {}
    for run in scene.results.runs(_MOST_RUNS):
        if len(found) == len(wanted):
            break
        if run.experiment == experiment:
            for known in _measured_by(scene, run.id, wanted):
                found.setdefault(known, run.id)
    return found


def _measured_by(scene: Scene, run_id: str, wanted: Mapping[str, int]) -> list[str]:
    """Return the hashes of cells that a run measured; none where its rows cannot be read: they are measured again."""
    try:
        return list(_measured(scene.results.view(run_id), wanted))
    except SebsxError as exc:
        logger.warning("run %s cannot be looked through for cells to reuse: %s", run_id, exc)
        return []


def _measured(view: RunView, wanted: Mapping[str, int]) -> Iterator[str]:
    asked = [cell for cell in view.cells() if cell.hash in wanted and cell.status == CellStatus.FINISHED]
    starved = starved_shares(view) if asked else {}
    for cell in asked:
        if starved.get(cell.id, 0.0) <= MOST_STARVED and _good(view, cell) >= wanted[cell.hash]:
            yield cell.hash


def _good(view: RunView, cell: StoredCell) -> int:
    counts = view.counts(cell.id)
    return sum(n for (kind, status, _), n in counts.items() if kind is Kind.MEASURED and status is Status.OK)


def without_work(cells: Sequence[Cell], known: Mapping[str, str]) -> tuple[list[Cell], list[str]]:
    """Return cells of which those measured before cost nothing, and a note for each run that they are taken from."""
    found = [
        replace(cell, invocations=0, duration_s=0.0, cost_usd=0.0, cost_bound_usd=0.0) if cell.hash in known else cell
        for cell in cells
    ]
    counts = Counter(known.values())
    notes = [
        f"{count} of {len(cells)} cells were measured in run {run_id} and are reused; --force measures them again"
        for run_id, count in counts.items()
    ]
    return found, notes


def reused(views: Iterable[RunView], more: Sequence[str]) -> tuple[list[tuple[Condition, str, RunView]], list[str]]:
    """Return the conditions of cells that runs took from earlier ones, and what is wrong where those are gone.

    Args:
        views: The runs.
        more: Columns wanted in their frames.

    Returns:
        Each condition as one of the run that took it, with the id and the view of the run that measured it; and one
        line for each run that is gone or damaged.
    """
    found, gone = [], []
    for view in views:
        taken = {value.cell_id: value.text for value in view.values() if value.metric == REUSED and value.text}
        hashes = {cell.hash: taken[cell.id] for cell in view.cells() if cell.id in taken}
        for run_id in dict.fromkeys(hashes.values()):
            count = list(hashes.values()).count(run_id)
            try:
                other = view.beside(run_id)
            except SebsxError:
                gone.append(f"{many(count, 'cell')} taken from run {run_id}, which is no longer stored")
                continue
            try:
                other.values()
                theirs = conditions([other], more)
            except SebsxError as exc:
                gone.append(f"{many(count, 'cell')} taken from run {run_id}, which cannot be read: {exc}")
                continue
            mine = [each for each in theirs if each.cell is not None and hashes.get(each.cell.hash) == run_id]
            if not mine:
                gone.append(f"{many(count, 'cell')} taken from run {run_id}, which measured none of them")
            found += [(replace(condition, run=view.run), run_id, other) for condition in mine]
    return found, gone
