"""When a cell has enough samples, when it is given up, and which cells of a round end together."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sebsx.errors import PluginError
from sebsx.model import PLUGIN_FAILED, CellStatus
from sebsx.stats import next_look, precise_enough

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.measurement import Measurement


class Caps(Protocol):
    """Settings of an experiment that say when a cell ends."""

    @property
    def repetitions(self) -> int:
        """Samples before the first look at their precision."""
        ...

    @property
    def precision(self) -> float:
        """Width of the interval of the median that is precise enough, as a share of it."""
        ...

    @property
    def max_failures(self) -> int:
        """Failed invocations after which a cell is given up."""
        ...

    @property
    def max_time_s(self) -> float:
        """Most time of a cell."""
        ...

    @property
    def most_samples(self) -> int:
        """Samples at which a cell stops whatever the precision."""
        ...

    @property
    def attempts(self) -> int:
        """Cap on the invocations of a cell."""
        ...


class Sampling:
    """One cell being sampled; an experiment derives from it how a sample is taken.

    Args:
        measurement: The cell.
        caps: When to end.

    Attributes:
        start: The level of the factor `start`; None where the design has none.
        spent_s: Time that its turns took.
        closed: Whether it is stored how the cell ended.
    """

    def __init__(self, measurement: Measurement, caps: Caps) -> None:
        self.measurement = measurement
        self.start: str | None = measurement.cell.factors.get("start")
        self.spent_s = 0.0
        self.closed = False
        self._caps = caps
        self._reached = ""
        self._look_at = caps.repetitions

    @property
    def samples(self) -> Sequence[float]:
        """The samples that count: the latencies of good calls, unless an experiment measures something else."""
        return self.measurement.good

    @property
    def attempts(self) -> int:
        """What was tried, good or not; by default the invocations."""
        return self.measurement.attempts

    @property
    def trouble(self) -> str:
        """Why there are too few samples, where there are."""
        return self.measurement.first_error

    @property
    def missing(self) -> int:
        """How many samples are wanted before the next look at their precision."""
        return min(self._look_at, self._caps.most_samples) - len(self.samples)

    def enough(self) -> bool:
        """Tell whether there are enough samples; looked at in batches, and once yes it stays so."""
        good = self.samples
        if not self._reached and len(good) >= self._caps.most_samples:
            self._reached = "enough samples"
        if not self._reached and len(good) >= self._look_at:
            if precise_enough(self.measurement.units, self._caps.precision):
                self._reached = "precise enough"
            self._look_at = next_look(len(good))
        return bool(self._reached)

    def exhausted(self) -> bool:
        """Tell whether a cap is reached."""
        return bool(self._cap())

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take a turn: its time is counted, and a plugin that fails in it ends this cell and no other."""
        began_s = time.monotonic()
        try:
            yield
        except PluginError as exc:
            self.end(CellStatus.FAILED, PLUGIN_FAILED, str(exc))
        finally:
            self.spent_s += time.monotonic() - began_s

    def close(self) -> None:
        """Store how the cell ended."""
        status, reason = CellStatus.FINISHED, self._reached or self._cap()
        if not self._reached and (self._failed() or not self.samples):
            status = CellStatus.FAILED
        self.end(status, reason, self.trouble if status is CellStatus.FAILED else None)

    def end(self, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Store that the cell ended so."""
        self.measurement.session.finish(self.measurement, status, reason, error)
        self.closed = True

    def _cap(self) -> str:
        """Return which cap is reached, in words; empty for none."""
        if self.measurement.hopeless:
            return f"all {self.measurement.failures} invocations failed in the same way"
        if self._failed():
            return f"{self.measurement.failures} invocations failed"
        if self.attempts >= self._caps.attempts:
            return f"cap of {self._caps.attempts} attempts reached"
        if self.spent_s >= self._caps.max_time_s:
            return f"cap of {self._caps.max_time_s:g} s reached"
        return ""

    def _failed(self) -> bool:
        return self.measurement.hopeless or self.measurement.failures >= self._caps.max_failures


def settle(cells: Sequence[Sampling]) -> None:
    """Close the cells whose caps are reached, and those of a start type of which all have enough."""
    peers: dict[str | None, list[Sampling]] = defaultdict(list)
    for cell in cells:
        if not cell.closed:
            peers[cell.start].append(cell)
    for alike in peers.values():
        waiting = [cell for cell in alike if not cell.enough()]
        for cell in (*waiting, *(cell for cell in alike if cell not in waiting)):
            if cell.exhausted() or all(other.closed for other in waiting):
                cell.close()
