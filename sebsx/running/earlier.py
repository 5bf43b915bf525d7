"""What earlier runs of the same cells took, for plans: better than a guess, and nothing where nothing was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.model import CellStatus, Kind, RunStatus, Status
from sebsx.stats import median

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.commands import Results
    from sebsx.contracts.runs import RunView
    from sebsx.model import Cell

# So many runs are looked through, the newest first; a plan must not take longer than a glance.
_MOST_RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What the calls of a cell took at the median, in seconds.

    Args:
        run_id: The run that measured it.
        latency_s: As the client saw them.
        call_s: As the function did; None where it does not say.
    """

    run_id: str
    latency_s: float
    call_s: float | None


class Earlier:
    """Looks cells up in the runs of an experiment. Reads no further back than it has to.

    Args:
        results: What is stored.
        experiment: Whose runs.
    """

    def __init__(self, results: Results, experiment: str) -> None:
        self._known: dict[str, tuple[RunView, int]] = {}  # by hash of the cell: the newest run, and the row there
        self._views = self._finished(results, experiment)

    def of(self, cell: Cell) -> Took | None:
        """Return what a cell took when it was measured last, with the same levels of all factors; None if never."""
        wanted = cell.hash
        while wanted not in self._known:
            view = next(self._views, None)
            if view is None:
                return None
            for stored in view.cells():
                if stored.status == CellStatus.FINISHED:
                    self._known.setdefault(stored.hash, (view, stored.id))
        return _took(*self._known[wanted])

    @staticmethod
    def _finished(results: Results, experiment: str) -> Iterator[RunView]:
        for run in results.runs(_MOST_RUNS):
            if run.experiment == experiment and run.status is RunStatus.FINISHED:
                yield results.view(run.id)


def _took(view: RunView, cell_id: int) -> Took | None:
    def column(name: str) -> list[float]:
        return view.column(name, cell_id=cell_id, kind=Kind.MEASURED, status=Status.OK)

    latencies, durations = column("client.latency_s"), column("function.duration_s")
    if not latencies:
        return None
    return Took(run_id=view.run.id, latency_s=median(latencies), call_s=median(durations) if durations else None)
