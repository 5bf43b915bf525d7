"""What was measured on one kind of machine, with what the same work took on another.

Rows are not paired one by one: no invocation on x86 has a partner on ARM. What is predicted for a row is the mean over
all rows of the same function, step and campaign on the other machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx_arm_prediction.checks import no_rows
from sebsx_arm_prediction.dataset import COMPONENTS, FROM, RUNTIME, Dataset, natural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.model.frame import Mask, Numbers, Places

FASTER, SIMILAR, SLOWER = "faster", "similar", "slower"
CLASSES = (FASTER, SIMILAR, SLOWER)
FASTER_RATIO, SLOWER_RATIO = 0.85, 1.15  # of the time on ARM to that on x86; both ends belong to the outer class


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Rows of the machine that is profiled, each with what its step took on the other machine.

    Args:
        source: Rows of the machine that is profiled, of those steps only that were measured on both.
        source_name: Its environment.
        target_name: The environment that is predicted.
        step_of: For each row the number of its step in the columns below.
        step_names: Function, step and campaign of each step.
        source_s: Mean run time of each step where it was profiled.
        target_s: Mean run time of each step on the other machine.
        source_cv: Standard deviation over mean of each step; NaN for a single row.
        target_cv: The same on the other machine.
        components: Means of the components of processor time on the other machine, one row for each step.
        unpaired: Steps that were measured on one of the two alone.
    """

    source: Dataset
    source_name: str
    target_name: str
    step_of: Places
    step_names: Sequence[tuple[str, str, str]]
    source_s: Numbers
    target_s: Numbers
    source_cv: Numbers
    target_cv: Numbers
    components: Numbers
    unpaired: Sequence[tuple[str, str, str]] = ()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def functions(self) -> list[str]:
        """The functions that rows are of, sorted."""
        return sorted({name for name, _, _ in self.step_names})

    @property
    def campaigns(self) -> list[str]:
        """The campaigns that rows are of, sorted."""
        return sorted({campaign for _, _, campaign in self.step_names})

    @property
    def target(self) -> Numbers:
        """Mean run time on the other machine of the step of each row, in seconds."""
        return self.target_s[self.step_of]

    @property
    def target_components(self) -> Numbers:
        """Means of the components on the other machine of the step of each row."""
        found: Numbers = self.components[self.step_of]
        return found

    @property
    def step_ratio(self) -> Numbers:
        """Time on the other machine over time here, of each step."""
        found: Numbers = self.target_s / self.source_s
        return found

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each row: its place in `CLASSES`, by the ratio of the means of its step."""
        found: NDArray[np.int64] = classes_of(self.step_ratio)[self.step_of]
        return found

    @property
    def function_of(self) -> NDArray[np.int64]:
        """Number of the function of each row in `functions`."""
        import numpy as np  # heavy

        place = {name: number for number, name in enumerate(self.functions)}
        found: NDArray[np.int64] = np.array([place[name] for name, _, _ in self.step_names])[self.step_of]
        return found

    def of(self, functions: Sequence[str] | None = None, campaign: str | None = None) -> Pairs:
        """Return the rows of some functions and a campaign."""
        import numpy as np  # heavy

        wanted = [
            (functions is None or name in functions) and (campaign is None or of_campaign == campaign)
            for name, _, of_campaign in self.step_names
        ]
        return self.where(np.array(wanted, dtype=bool)[self.step_of])

    def where(self, mask: Mask | Places) -> Pairs:
        """Return some of the rows."""
        import numpy as np  # heavy

        kept = self.step_of[mask]
        steps, step_of = np.unique(kept, return_inverse=True)
        return Pairs(
            source=self.source.select(where=mask),
            source_name=self.source_name,
            target_name=self.target_name,
            step_of=step_of,
            step_names=[self.step_names[step] for step in steps],
            source_s=self.source_s[steps],
            target_s=self.target_s[steps],
            source_cv=self.source_cv[steps],
            target_cv=self.target_cv[steps],
            components=self.components[steps],
            unpaired=self.unpaired,
        )

    def thinned(self, rows: int) -> Pairs:
        """Return at most so many rows of each step, the first of them: repetitions say little more."""
        import numpy as np  # heavy

        order = np.argsort(self.step_of, kind="stable")
        first = np.searchsorted(self.step_of[order], np.arange(len(self.step_names)))
        rank = np.empty(len(order), dtype=np.intp)
        rank[order] = np.arange(len(order)) - first[self.step_of[order]]
        return self if (rank < rows).all() else self.where(rank < rows)


def classes_of(ratio: Numbers) -> NDArray[np.int64]:
    """Return the place in `CLASSES` of ratios of time."""
    import numpy as np  # heavy

    found: NDArray[np.int64] = np.where(ratio <= FASTER_RATIO, 0, np.where(ratio >= SLOWER_RATIO, 2, 1))
    return found


def pair(dataset: Dataset, source: str = "", target: str = "") -> Pairs:
    """Return the rows of one environment with what their steps took on another.

    Args:
        dataset: Rows of two environments, or of more where both are named.
        source: The environment that is profiled; by default the one that a campaign says, or the only one of x86.
        target: The environment that is predicted; by default the other one.

    Raises:
        UserError: If there are no rows, it is not plain which is which, or they have no step in common.
    """
    if not len(dataset):
        raise UserError(no_rows(dataset))
    source, target = _named(dataset, source, target)
    here, there = _Steps(dataset.select(environment=source)), _Steps(dataset.select(environment=target))
    common = [name for name in here.names if name in there.place]
    if not common:
        raise UserError(f"no step of a function was measured both on {source!r} and on {target!r} in one campaign")
    return here.paired(there, common, source, target)


class _Steps:
    """The means of each step of a dataset."""

    def __init__(self, dataset: Dataset) -> None:
        import numpy as np  # heavy

        self.dataset = dataset
        columns = [dataset.frame.codes(word) for word in ("function", "step", "campaign")]
        key = np.zeros(len(dataset), dtype=np.int64)
        for codes, levels in columns:
            key = key * len(levels) + codes
        _, first, self.step_of = np.unique(key, return_index=True, return_inverse=True)
        self.names = [tuple(str(levels[codes[row]]) for codes, levels in columns) for row in first]
        self.place: Mapping[tuple[str, ...], int] = {name: number for number, name in enumerate(self.names)}
        self.counts = np.bincount(self.step_of, minlength=len(self.names))
        self.mean_s = self.means(dataset[RUNTIME])
        spread = self.means((dataset[RUNTIME] - self.mean_s[self.step_of]) ** 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.cv = np.sqrt(spread * self.counts / (self.counts - 1)) / self.mean_s

    def means(self, column: Numbers) -> Numbers:
        import numpy as np  # heavy

        found: Numbers = np.bincount(self.step_of, weights=column, minlength=len(self.names)) / self.counts
        return found

    def paired(self, other: _Steps, common: Sequence[tuple[str, ...]], source: str, target: str) -> Pairs:
        import numpy as np  # heavy

        ordered = sorted(common, key=lambda name: (name[0], name[2], natural(name[1])))
        mine = np.array([self.place[name] for name in ordered])
        its = np.array([other.place[name] for name in ordered])
        new = np.full(len(self.names), -1)
        new[mine] = np.arange(len(ordered))
        kept = new[self.step_of] >= 0
        components = np.column_stack([other.means(other.dataset[name]) for name in COMPONENTS])
        return Pairs(
            source=self.dataset.select(where=kept),
            source_name=source,
            target_name=target,
            step_of=new[self.step_of][kept],
            step_names=[(name[0], name[1], name[2]) for name in ordered],
            source_s=self.mean_s[mine],
            target_s=other.mean_s[its],
            source_cv=self.cv[mine],
            target_cv=other.cv[its],
            components=components[its],
            unpaired=sorted((name[0], name[1], name[2]) for name in {*self.names, *other.names} - set(common)),
        )


def _named(dataset: Dataset, source: str, target: str) -> tuple[str, str]:
    """Return the two environments that are meant."""
    known = dataset.levels("environment")
    for name in filter(None, (source, target)):
        if name not in known:
            raise UserError(f"no rows of environment {name!r}; there are {', '.join(map(repr, known)) or 'none'}")
    if source and target and source != target:
        return source, target
    if len(known) != 2:  # a pair
        measure = "measure two: sebsx run experiment arm-prediction --platform A,B"
        how = "name both with --source and --target" if len(known) > 1 else measure
        raise UserError(
            f"a pair of environments is wanted, there {'is' if len(known) == 1 else 'are'} "
            f"{', '.join(map(repr, known)) or 'none'}; {how}"
        )
    if source or target:
        other = next(name for name in known if name != (source or target))
        return (source, other) if source else (other, target)
    told = [name for name in known if dataset.select(environment=name).levels("side") == [FROM]]
    if len(told) == 1:
        return told[0], next(name for name in known if name != told[0])
    from_x86 = [name for name in known if dataset.select(environment=name).levels("architecture") == ["x86_64"]]
    if len(from_x86) != 1:
        raise UserError(f"of {known[0]!r} and {known[1]!r}, say which was profiled with --source and --target")
    return from_x86[0], next(name for name in known if name != from_x86[0])
