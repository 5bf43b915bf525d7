"""Cells of a run as the sizes of a sweep: what counts of each, and the line through those that were not starved."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from sebsx.model import StartType
from sebsx.model.starts import COUNTED, start_name
from sebsx.model.starved import MOST_STARVED
from sebsx.reading.believed import quantile_of_units
from sebsx.reading.blocks import Observations, joined
from sebsx.reading.starved import starved_shares
from sebsx.stats import SamplesError, fit_line
from sebsx_invocation_overhead.windows import judge_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.stats import LineFit
    from sebsx_invocation_overhead.windows import Sample, Window


@dataclass(frozen=True, slots=True)
class SizeCell:
    """A cell with what its windows came to, and the size that was swept."""

    identity: Mapping[str, Any]
    sweep: str
    start: str
    bytes: int
    window: Window
    starved: float

    @property
    def reached(self) -> bool:
        """Whether its median lies among what was answered."""
        return quantile_of_units(observed(self)).value is not None


@dataclass(frozen=True, slots=True)
class SizeSeries:
    """The cells of one sweep and start type on one condition, by size."""

    identity: Mapping[str, Any]
    sweep: str
    start: str
    cells: Sequence[SizeCell]

    @property
    def samples(self) -> list[Sample]:
        """The samples of all sizes."""
        return [sample for cell in self.cells for sample in cell.window.samples]

    @property
    def usable(self) -> list[SizeCell]:
        """What a line and an answer are made of: cells whose calls were mostly answered, and had their processor."""
        return [cell for cell in self.cells if cell.starved <= MOST_STARVED and cell.reached]

    @property
    def first(self) -> SizeCell | None:
        """The smallest size of which something counts; None where no cell is usable."""
        return next(iter(self.usable), None)

    @property
    def points(self) -> list[tuple[float, float]]:
        """Size and outbound time of every sample."""
        return [(size_of(cell, sample), sample.outbound_s) for cell in self.cells for sample in cell.window.samples]

    def fit(self, confidence: float) -> LineFit | None:
        """Return the line through the medians of each sandbox at each size; None where there are too few, or sizes.

        Only sizes that are usable count: what starved ones add is the machine's.

        Sizes are measured in the same rounds, each with sandboxes of its own, so that rounds are the units; those that
        a sandbox joins are one.
        """
        units: dict[tuple[int, str], list[tuple[Sample, float]]] = defaultdict(list)
        for place, cell in enumerate(self.usable):
            for sample in cell.window.samples:
                units[place, sample.sandbox_id].append((sample, size_of(cell, sample)))
        known = {name: number for number, (_, name) in enumerate(units)}
        samples = [sample for cell in self.usable for sample in cell.window.samples]
        blocks = joined([sample.round for sample in samples], [known[sample.sandbox_id] for sample in samples])
        block_of = {sample.sandbox_id: int(block) for sample, block in zip(samples, blocks, strict=True)}
        try:
            return fit_line(
                [median(size for _, size in unit) for unit in units.values()],
                [median(sample.outbound_s for sample, _ in unit) for unit in units.values()],
                [block_of[name] for _, name in units],
                confidence,
            )
        except SamplesError:
            return None


def cells_of(view: RunView) -> Iterator[SizeCell]:
    """Yield the cells of a run that were called, with what their windows came to."""
    deployments, starved = {each.id: each for each in view.deployments()}, starved_shares(view)
    for cell in view.cells():
        start = cell.factors.get("start", "")
        if start not in COUNTED:
            continue
        calls = list(view.invocations(cell_id=cell.id))
        if not calls:
            continue
        deployment = deployments[calls[-1].deployment_id]
        sweep = str(cell.factors.get("sweep", "payload"))
        identity = {
            "run": view.run.id,
            "platform": deployment.platform,
            "region": deployment.region or "",
            "architecture": deployment.architecture,
            "memory_mib": deployment.memory_mib,
        }
        size = (deployment.package_bytes or 0) if sweep == "package" else max(call.bytes_out for call in calls)
        window = judge_all(calls, StartType(start))
        counted = {sample.sequence for sample in window.samples}
        had = {call.start_type for call in calls if call.sequence in counted}
        yield SizeCell(identity, sweep, str(start_name(start, had)), size, window, starved.get(cell.id, 0.0))


def series_of(found: Sequence[SizeCell]) -> list[SizeSeries]:
    """Return cells by condition, sweep and start type, each by size."""
    groups: dict[tuple[Any, ...], list[SizeCell]] = defaultdict(list)
    # In one order, whatever was measured first: the payload before the package, and warm before cold.
    for cell in sorted(found, key=lambda cell: (cell.sweep != "payload", cell.start != StartType.WARM)):
        groups[(*cell.identity.values(), cell.sweep, cell.start)].append(cell)
    return [
        SizeSeries(cells[0].identity, cells[0].sweep, cells[0].start, sorted(cells, key=lambda cell: cell.bytes))
        for cells in groups.values()
    ]


def size_of(cell: SizeCell, sample: Sample) -> float:
    """Return the size in bytes that a sample is of."""
    return float(cell.bytes if cell.sweep == "package" else sample.payload_bytes)


def uncertainty_s_of(samples: Sequence[Sample]) -> float | None:
    """Return by how much the clocks may make any of them wrong; None for none."""
    return max((sample.uncertainty_s for sample in samples), default=None)


def observed(cell: SizeCell, way: str = "outbound_s") -> Observations:
    """Return the times of one way, with the sandboxes that they came from; what was not answered is later than all."""
    samples = cell.window.samples
    known = {name: number for number, name in enumerate(dict.fromkeys(sample.sandbox_id for sample in samples))}
    return Observations.listed(
        [getattr(sample, way) for sample in samples],
        [known[sample.sandbox_id] for sample in samples],
        [sample.round for sample in samples],
        late=[math.nan] * cell.window.unanswered,
    )
