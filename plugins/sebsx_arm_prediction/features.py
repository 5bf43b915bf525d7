"""Named, versioned sets of features: what of a profile a model reads, and in what form.

A stored model names its set and version; a set that changes gets a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import UnknownNameError
from sebsx_arm_prediction.dataset import COMPONENTS, CPUS, FEATURE_NAMES, RUNTIME

if TYPE_CHECKING:
    from sebsx.model.frame import Numbers
    from sebsx_arm_prediction.dataset import Dataset

_COUNTS = ("contextSwitchesDelta_count", "pageFaultsDelta_count", "majorPageFaultsDelta_count")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """Some features under a name.

    Args:
        name: What a user types.
        version: Grows when what is computed changes.
        meaning: One line.
        needs: Columns of a dataset that must be there.
        columns: What the columns of its matrix are called.
        scale_free: Whether a function that does twice the work has the same features.
    """

    name: str
    version: int
    meaning: str
    needs: tuple[str, ...]
    columns: tuple[str, ...]
    scale_free: bool = False

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    def matrix(self, dataset: Dataset) -> Numbers:
        """Return one row of features for each row of a dataset."""
        return _scale_free(dataset, self.columns) if self.scale_free else dataset.matrix(self.needs)


def _share_name(component: str) -> str:
    return component.removesuffix("Delta_s") + "_share"


FULL21 = FeatureSet(
    name="full21", version=1, meaning="the whole profile", needs=FEATURE_NAMES, columns=FEATURE_NAMES
)  # fmt: skip
CPU8 = FeatureSet(
    name="cpu8", version=1, meaning="the eight parts of processor time", needs=COMPONENTS, columns=COMPONENTS
)  # fmt: skip
RUNTIME1 = FeatureSet(
    name="runtime1", version=1, meaning="the run time alone", needs=(RUNTIME,), columns=(RUNTIME,)
)  # fmt: skip
RATES12 = FeatureSet(
    name="rates12",
    version=1,
    meaning="shares of processor time, of the kernel in it, and of counts a second, which do not grow with the work",
    needs=(*COMPONENTS, *_COUNTS, RUNTIME, CPUS),
    columns=(
        *map(_share_name, COMPONENTS), "kernel_of_busy_share", "contextSwitches_log_per_s", "pageFaults_log_per_s",
        "majorPageFaults_log_per_s",
    ),
    scale_free=True,
)  # fmt: skip
SHARES9 = FeatureSet(
    name="shares9",
    version=1,
    meaning="shares of processor time and of the kernel in it",
    needs=(*COMPONENTS, RUNTIME, CPUS),
    columns=RATES12.columns[:9],
    scale_free=True,
)
FEATURE_SETS = {each.name: each for each in (FULL21, CPU8, RUNTIME1, RATES12, SHARES9)}


def feature_set(name: str) -> FeatureSet:
    """Return a set by its name, with or without its version (`cpu8`, `cpu8@1`).

    Raises:
        UnknownNameError: If there is none of that name and version.
    """
    plain = name.partition("@")[0]
    found = FEATURE_SETS.get(plain)
    if found is None or name not in (plain, str(found)):
        raise UnknownNameError("set of features", name, map(str, FEATURE_SETS.values()))
    return found


def kernel_share(dataset: Dataset) -> Numbers:
    """Return which part of the time in user mode and in the kernel was in the kernel; 0 where there was neither."""
    import numpy as np  # heavy

    user, kernel = dataset["cpuUserDelta_s"], dataset["cpuKernelDelta_s"]
    busy = user + kernel
    found: Numbers = np.divide(kernel, busy, out=np.zeros_like(busy), where=busy > 0)
    return found


def _scale_free(dataset: Dataset, columns: tuple[str, ...]) -> Numbers:
    import numpy as np  # heavy

    run_s = dataset[RUNTIME]
    parts = [dataset.matrix(COMPONENTS) / (run_s * dataset[CPUS])[:, None], kernel_share(dataset)]
    if len(columns) > len(COMPONENTS) + 1:
        parts.append(np.log1p(dataset.matrix(_COUNTS) / run_s[:, None]))
    found: Numbers = np.column_stack(parts)
    return found
