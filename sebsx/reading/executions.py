"""What groups of invocations measured as one, told apart by the conditions that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model.frame import Frame
from sebsx.model.metrics import CORE_METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sebsx.contracts.runs import RunView

DURATION = next(metric for metric in CORE_METRICS if metric.name == "execution.duration_s")


class Executions:
    """The executions of a run that count, and the metrics that they have.

    Args:
        view: The run.
    """

    def __init__(self, view: RunView) -> None:
        self._frame = view.execution_frame()
        known = view.metrics() if len(self._frame) else {}
        self._metrics = {name: metric for name, metric in known.items() if name in self._frame}
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
