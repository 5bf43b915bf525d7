"""What groups of invocations measured as one, by the conditions that they belong to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sebsx.model.frame import Frame
from sebsx.model.metrics import CORE_METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sebsx.contracts.runs import RunView

_MEANING = "from the begin of a group of the kind {} to its end"
DURATION = next(metric for metric in CORE_METRICS if metric.name == "execution.duration_s")


def durations(view: RunView) -> list[Metric]:
    """Return what the durations of a run's executions are called.

    That is `execution.duration_s`. Where a cell has executions of several kinds, such as steps, each kind has a
    duration of its own, `execution.<kind>_s`: a median over all of them would be that of nothing.
    """
    frame = view.execution_frame()
    return [*_by_kind(frame).values()] or ([DURATION] if len(frame) else [])


def _by_kind(frame: Frame) -> dict[str, Metric]:
    """Return the metric of each kind's durations; empty where no cell has several kinds."""
    import numpy as np  # heavy

    if not len(frame):
        return {}
    codes, kinds = frame.codes("execution")
    pairs = np.unique(np.stack([np.nan_to_num(frame["cell_id"], nan=-1), codes]), axis=1)
    if len(np.unique(pairs[0])) == pairs.shape[1]:
        return {}
    found = [kind for kind in kinds if kind is not None]
    return {kind: Metric(f"execution.{_word(kind)}_s", "s", meaning=_MEANING.format(kind)) for kind in found}


def _word(kind: str) -> str:
    return re.sub(r"\W+", "_", kind.lower())


class Executions:
    """The executions of a run that count, and the metrics that they have.

    Args:
        view: The run.
    """

    def __init__(self, view: RunView) -> None:
        frame = view.execution_frame()
        known = view.metrics() if len(frame) else {}
        self._metrics = {name: metric for name, metric in known.items() if name in frame}
        self._frame = frame
        if by_kind := _by_kind(frame):
            del self._metrics[DURATION.name]
            self._metrics |= {metric.name: metric for metric in by_kind.values()}
            self._frame = frame.beside(_divided(frame, by_kind))
        self._taken: set[int | None] = set()

    def of(self, cell_id: int | None, deployments: Collection[int]) -> tuple[Frame, Mapping[str, Metric]]:
        """Return those of a condition with their metrics; those of no deployment go to the first one of their cell."""
        import numpy as np  # heavy

        if not len(self._frame):
            return Frame({}, {}), {}
        cells, functions = self._frame["cell_id"], self._frame["deployment_id"]
        mine = np.isnan(cells) if cell_id is None else cells == cell_id
        first = cell_id not in self._taken
        self._taken.add(cell_id)
        mine &= np.isin(functions, list(deployments)) | (np.isnan(functions) & first)
        return self._frame.where(mine), self._metrics


def _divided(frame: Frame, by_kind: Mapping[str, Metric]) -> Frame:
    """Return a column of durations for each kind."""
    import numpy as np  # heavy

    column = frame[DURATION.name]
    return Frame(
        {metric.name: np.where(frame.equals("execution", kind), column, np.nan) for kind, metric in by_kind.items()}, {}
    )
