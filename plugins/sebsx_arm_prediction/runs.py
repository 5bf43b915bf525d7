"""Stored runs as a dataset: what the collector `saaf` recorded, and without it the run time alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.model import Status
from sebsx.model.frame import Frame
from sebsx.model.starved import MOST_STARVED, in_words
from sebsx.reading.starved import starved_shares
from sebsx.reading.units import percent
from sebsx_arm_prediction.dataset import (
    FEATURE_NAMES,
    FROM,
    RUNTIME,
    TO,
    Dataset,
    dataset_of,
    environment_name,
    joined_datasets,
)
from sebsx_arm_prediction.gate import TOLERANCE, judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Codes

PREFIX, FOREIGN = "saaf.", "saaf.foreignCpu_s"
# The run time where no collector told it: of the function itself, as its provider bills it, as the client saw it.
_TIMES = ("function.duration_s", "provider.duration_s", "client.latency_s")
MODELLED = "emulated"


def dataset_of_runs(views: Sequence[RunView]) -> Dataset:
    """Return the measured invocations of runs that ended well, warm ones where there are any."""
    return joined_datasets([dataset_of_run(view) for view in views])


def dataset_of_run(view: RunView) -> Dataset:
    """Return the measured invocations of a run that ended well, warm ones where there are any."""
    import numpy as np  # heavy

    frame = view.frame(more=(f"{PREFIX}*", "sandbox_id"))
    chosen = frame.equals("status", Status.OK.value)
    warm = chosen & ~frame.equals("start_type", "cold")
    frame = frame.where(warm if warm.any() else chosen)
    if not len(frame):
        return dataset_of([], [f"run {view.run.id} holds no invocation that ended well"])
    numbers = {
        name: frame[PREFIX + name] if PREFIX + name in frame else np.full(len(frame), np.nan) for name in FEATURE_NAMES
    }
    for name in _TIMES:
        if name in frame:
            numbers[RUNTIME] = np.where(np.isnan(numbers[RUNTIME]), frame[name], numbers[RUNTIME])
    numbers = {name: np.where(np.isfinite(column), column, np.nan) for name, column in numbers.items()}  # damaged rows
    said = _said(view)
    keys = list(zip(frame["deployment_id"].tolist(), frame["cell_id"].tolist(), strict=True))
    levels = list(dict.fromkeys(keys))
    place = {key: number for number, key in enumerate(levels)}
    codes = np.array([place[key] for key in keys], dtype=np.int32)
    rows = [said(*key) for key in levels]
    numbers["memory_mib"] = np.array([row["memory_mib"] for row in rows], dtype=float)[codes]
    numbers["sample"] = frame["sequence"]
    words: dict[str, tuple[Codes, Sequence[str | None]]] = {
        name: (codes, [str(row[name]) for row in rows])
        for name in ("function", "step", "campaign", "environment", "platform", "architecture", "split", "side", "run")
    }
    words["sandbox"] = frame.codes("sandbox_id")
    found = Dataset(frame=Frame(numbers, {name: _distinct(*column) for name, column in words.items()}))
    return judge(found).good.marked(*_neighbours(frame), *_starved(view)).completed()


def _neighbours(frame: Frame) -> list[str]:
    """Return a note where processors worked for others during calls: their time is in the counters of a machine."""
    import numpy as np  # heavy

    if FOREIGN not in frame or f"{PREFIX}{RUNTIME}" not in frame:
        return []
    with np.errstate(invalid="ignore"):
        shared = frame[FOREIGN] > TOLERANCE * frame[f"{PREFIX}{RUNTIME}"]
    if not shared.any():
        return []
    note = f"{int(shared.sum()):,} of {len(frame):,} rows have processor times of neighbours"
    return [f"{note}: more than {percent(TOLERANCE)} of the run time was not the function's own"]


def _starved(view: RunView) -> list[str]:
    """Return a note where calls waited for processors that something else had: their run times hold the wait."""
    shares = starved_shares(view)
    many = [share for share in shares.values() if share > MOST_STARVED]
    if not many:
        return []
    cells = f"{len(many)} of {len(view.cells())} cells {'was' if len(many) == 1 else 'were'}"
    return [f"run {view.run.id}: {cells} {in_words(max(many))} at worst; measure on a machine with less to do"]


def _said(view: RunView) -> Any:
    """Return what is known of the rows of a deployment in a cell, as a function of both."""
    deployments = {item.id: item for item in view.deployments()}
    cells = {item.id: item for item in view.cells()}
    sides = defaultdict(set)
    for cell in cells.values():
        sides[_place(cell.factors)].add(cell.factors.get("side"))

    def of(deployment_id: float, cell_id: float) -> Mapping[str, Any]:
        deployment = deployments[int(deployment_id)]
        factors = cells[int(cell_id)].factors if cell_id == cell_id else {}
        with_itself = factors.get("side") == TO and FROM in sides[_place(factors)]
        more = ", ".join([MODELLED] * bool(deployment.effective.get("emulated")) + [TO] * with_itself)
        return {
            "function": deployment.benchmark,
            "step": factors.get("size") or deployment.size,
            "campaign": factors.get("campaign") or view.run.campaign or view.run.id,
            "environment": environment_name(deployment.platform, deployment.architecture, deployment.memory_mib, more),
            "platform": deployment.platform,
            "architecture": deployment.architecture,
            "memory_mib": deployment.memory_mib,
            "split": factors.get("split") or "",
            "side": factors.get("side") or "",
            "run": view.run.id,
        }

    return of


def _place(factors: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(factors.get(name) for name in ("platform", "architecture", "memory_mib"))


def _distinct(codes: Codes, levels: Sequence[str | None]) -> tuple[Codes, Sequence[str | None]]:
    """Return a column whose levels differ."""
    import numpy as np  # heavy

    unique = list(dict.fromkeys(levels))
    renumbered = np.array([unique.index(level) for level in levels], dtype=np.int32)
    return renumbered[codes], unique
