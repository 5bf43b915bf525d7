"""What the stored run of a calibration came to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from sebsx.contracts.calibrations import Calibration
from sebsx.errors import UserError
from sebsx.model import CellStatus, Kind, Status
from sebsx_calibrate.fitting import Fit, fit_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import StoredCell

GROWTH = "calibrate.growth"
COUNT = "calibrate.count"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a calibration came to.

    Args:
        calibration: The steps found.
        points: (value of the parameter, run time in s), in the order in which they were measured.
        fit: The line through all points.
        error: Largest relative error of the run times at both ends, as measured there.
    """

    calibration: Calibration
    points: list[tuple[float, float]]
    fit: Fit
    error: float


def points_of(view: RunView) -> list[tuple[float, float]]:
    """Return the values that were measured with their median run times in s, in the order of measuring."""
    return [(value, took_s) for _, value, took_s in _measured(view)]


def duration_s(view: RunView, cell: StoredCell) -> float | None:
    """Return the median run time of a cell that is finished, None for any other."""
    if cell.status != CellStatus.FINISHED:
        return None
    found = [
        invocation.function_duration_s
        for invocation in view.invocations(cell_id=cell.id, kind=Kind.MEASURED, status=Status.OK)
        if invocation.function_duration_s is not None
    ]
    return median(found) if found else None


def result_of(view: RunView) -> Calibrated:
    """Return what a calibration came to: the points nearest to both ends of the run times asked for are the ends.

    Raises:
        UserError: If the run is none, or has too few points so far.
    """
    told = {value.metric: value.value for value in view.values() if value.metric in (GROWTH, COUNT)}
    asked: dict[str, Any] = view.run.settings.get("experiment", {})
    growth, count = told.get(GROWTH), told.get(COUNT)
    if growth is None or count is None or not {"low_s", "high_s"} <= asked.keys():
        raise UserError(f"run {view.run.id!r} is not a calibration; make one with: sebsx calibrate")
    measured = list(_measured(view))
    if len({value for _, value, _ in measured}) < 2:  # a line needs them
        raise UserError(f"run {view.run.id!r} has too few points; resume with: sebsx run --resume {view.run.id}")
    targets = (float(asked["low_s"]), float(asked["high_s"]))
    ends = [min(measured, key=partial(_off, target_s)) for target_s in targets]
    cell = ends[0][0]
    deployment = next(item for item in view.deployments() if item.status != "failed")
    fit = fit_line([(value**growth, took_s) for _, value, took_s in measured])
    calibration = Calibration(
        benchmark=deployment.benchmark,
        benchmark_version=deployment.benchmark_version,
        platform=cell.factors["platform"],
        memory_mib=cell.factors["memory_mib"],
        architecture=cell.factors["architecture"],
        parameter=next(iter(cell.factors["parameters"])),
        first=ends[0][1],
        last=ends[1][1],
        count=round(count),
        growth=growth,
        first_s=ends[0][2],
        last_s=ends[1][2],
        r2=fit.r2,
        run=view.run.id,
    )
    error = max(abs(end[2] / target_s - 1) for end, target_s in zip(ends, targets, strict=True))
    return Calibrated(calibration, [(value, took_s) for _, value, took_s in measured], fit, error)


def _off(target_s: float, point: tuple[StoredCell, float, float]) -> float:
    """Return how far a measured point is from a run time that was asked for, as a share of it."""
    return abs(point[2] / target_s - 1)


def _measured(view: RunView) -> Iterator[tuple[StoredCell, float, float]]:
    for cell in view.cells():
        values = list((cell.factors.get("parameters") or {}).values())
        took_s = duration_s(view, cell)
        if took_s and len(values) == 1 and isinstance(values[0], int | float):
            yield cell, values[0], took_s
