"""Where a model knows its way: profiles like those it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.model.frame import Frame
from sebsx.reading.units import percent
from sebsx_arm_prediction.dataset import CPUS, FEATURES, RUNTIME, Dataset
from sebsx_arm_prediction.features import RATES12

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx.model.frame import Numbers
    from sebsx_arm_prediction.pairs import Pairs

_BEYOND_SHARE = 0.1  # of processor time that a share may lie outside of what was seen
_BEYOND_LOG = 2.303  # a factor of ten of a count a second
_BEYOND_TIME = 2.0  # factor of a run time
_GROWING = tuple(
    each.name for each in FEATURES if each.unit == "s" or each.name.endswith("Delta_count")
)  # with the work
_LEAST_SHARE_SCALE, _LEAST_LOG_SCALE = 0.03, 0.5
_WORDS = {
    "cpuUser_share": "time in user mode", "cpuNice_share": "time at low priority", "cpuKernel_share": "kernel time",
    "cpuIdle_share": "idle time", "cpuIOWait_share": "time waiting for input and output",
    "cpuIrq_share": "time of interrupts", "cpuSoftIrq_share": "time of deferred interrupts",
    "cpuSteal_share": "time given to other machines", "kernel_of_busy_share": "kernel share of busy time",
    "contextSwitches_log_per_s": "context switches", "pageFaults_log_per_s": "page faults",
    "majorPageFaults_log_per_s": "major page faults",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The profiles that a model was fitted to.

    Args:
        low: Least of each column of the set `rates12`.
        high: Most of each.
        centre: Middle of each.
        scale: What a difference of each is divided by.
        points: Mean of each function, scaled; one row for each.
        functions: Their names.
        farthest: How far a function of the training set is from the nearest other one at most.
        run_s: Mean run time of the shortest and the longest step.
        cpus: Processors.
        environment: Where rows were profiled.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    points: tuple[tuple[float, ...], ...]
    functions: tuple[str, ...]
    farthest: float
    run_s: tuple[float, float]
    cpus: float
    environment: str

    def within(self, dataset: Dataset) -> tuple[Dataset, Numbers]:
        """Return rows with run times of the training set, and the factors by which the times of rows differ from them.

        A line or a forest says nothing beyond what it was fitted to. There, a multiple of the work takes the same
        multiple of the time, on both machines.
        """
        import numpy as np  # heavy

        run_s = dataset[RUNTIME]
        factor: Numbers = run_s / np.clip(run_s, *self.run_s)
        if (factor == 1).all():
            return dataset, factor
        scaled = Frame({name: dataset[name] / factor for name in _GROWING}, {})
        return Dataset(frame=dataset.frame.beside(scaled), notes=dataset.notes), factor

    def reasons(self, dataset: Dataset) -> Iterator[str]:
        """Yield why rows of one function lie outside, in words; nothing where they do not."""
        import numpy as np  # heavy

        absent = absent_of(dataset)
        if not absent:
            yield from self._machine(dataset)
        run_s = float(np.median(dataset[RUNTIME]))
        shortest, longest = self.run_s
        if not shortest / _BEYOND_TIME <= run_s <= longest * _BEYOND_TIME:
            yield f"it ran for {run_s:.3g} s, where training functions ran for {shortest:.3g} s to {longest:.3g} s"
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            yield f"its profile lacks {absent[0]}{more}, without which it cannot be compared with training functions"
            return
        profile = np.median(RATES12.matrix(dataset), axis=0)
        outside = list(self._columns(profile))
        yield from outside
        if outside or not self.points:
            return
        scaled = (profile - self.centre) / self.scale
        distances = np.sqrt(np.mean((np.array(self.points) - scaled) ** 2, axis=1))
        nearest = int(np.argmin(distances))
        if distances[nearest] > self.farthest:
            yield (
                f"its mixture is like no training function's: it is {distances[nearest]:.2f} from the nearest, "
                f"{self.functions[nearest]}, and none of those is more than {self.farthest:.2f} from another"
            )

    def _machine(self, dataset: Dataset) -> Iterator[str]:
        environments = [name for name in dataset.levels("environment") if name]
        if environments and environments != [self.environment]:
            yield f"it was profiled on {', '.join(environments)}, and the model learned from {self.environment}"
        cpus = float(dataset[CPUS].mean())
        if abs(cpus - self.cpus) > 0.05 * self.cpus:  # a group's share is a fraction
            yield f"it had {cpus:.3g} processors, and training functions had {self.cpus:.3g}"

    def _columns(self, profile: Numbers) -> Iterator[str]:
        import numpy as np  # heavy

        for name, value, low, high in zip(RATES12.columns, profile, self.low, self.high, strict=True):
            is_share = name.endswith("_share")
            beyond = _BEYOND_SHARE if is_share else _BEYOND_LOG
            if low - beyond <= value <= high + beyond:
                continue
            if is_share:
                others = f"{percent(low)} to {percent(high)}"
                yield f"its {_WORDS[name]} is {percent(value)}, where training functions had {others}"
            else:
                least, most, has = (float(np.expm1(number)) for number in (low, high, value))
                theirs = f"training functions had {least:,.0f} to {most:,.0f}"
                yield f"it had {has:,.0f} {_WORDS[name]} a second, where {theirs}"


def absent_of(dataset: Dataset) -> list[str]:
    """Return the columns that some row lacks of those by which profiles are compared and classified."""
    import numpy as np  # heavy

    return [name for name in RATES12.needs if np.isnan(dataset[name]).any()]


def region_of(pairs: Pairs) -> Region:
    """Return the region of rows."""
    import numpy as np  # heavy

    profiles = RATES12.matrix(pairs.source)
    function_of, names = pairs.function_of, pairs.functions
    means = np.array([np.median(profiles[function_of == place], axis=0) for place in range(len(names))])
    centre = means.mean(axis=0)
    least = [_LEAST_SHARE_SCALE if name.endswith("_share") else _LEAST_LOG_SCALE for name in RATES12.columns]
    scale = np.maximum(means.std(axis=0), least)
    points = (means - centre) / scale
    distances = np.sqrt(np.mean((points[:, None] - points[None]) ** 2, axis=2))
    np.fill_diagonal(distances, np.inf)
    return Region(
        low=_plain(means.min(axis=0)),
        high=_plain(means.max(axis=0)),
        centre=_plain(centre),
        scale=_plain(scale),
        points=tuple(map(_plain, points)),
        functions=tuple(names),
        farthest=float(distances.min(axis=1).max()) if len(names) > 1 else float("inf"),
        run_s=(float(pairs.source_s.min()), float(pairs.source_s.max())),
        cpus=float(pairs.source[CPUS].mean()),
        environment=pairs.source_name,
    )


def region_from(document: Mapping[str, object]) -> Region:
    """Return a region as `dataclasses.asdict` and JSON wrote it.

    Raises:
        ValueError: If its numbers are none, or do not belong together.
    """
    import numpy as np  # heavy

    found = Region(**{name: _tuples(value) for name, value in document.items()})  # type: ignore[arg-type]  # as written
    rows = np.array([found.low, found.high, found.centre, found.scale, *found.points], dtype=float)
    if rows.shape[1:] != (len(RATES12.columns),) or len(found.points) != len(found.functions):
        raise ValueError("its region")
    shortest_s, longest_s = map(float, found.run_s)
    if not 0 < shortest_s <= longest_s or not float(found.cpus) > 0 or np.isnan(float(found.farthest)):
        raise ValueError("its region")
    return found


def _plain(values: Numbers) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
