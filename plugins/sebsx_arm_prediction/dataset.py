"""The rows that models are fitted to: one invocation each, with its profile, on one of two kinds of machine.

Whoever reads runs or files of others fills a `Dataset`; features, models and reports read it. Units are SI, and are
converted where a value enters: seconds, bytes, counts. Columns are arrays of numpy, which is imported when they are
first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.model.frame import Frame, coded, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.model.frame import Mask, Numbers, Places


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the profile of an invocation.

    Args:
        name: SAAF's name and the unit, as the collector `saaf` records it without its prefix.
        meaning: One line.
        component: Whether it is a part of the time of processors: these add up to run time times processors.
    """

    name: str
    meaning: str
    component: bool = False

    @property
    def saaf_name(self) -> str:
        """The name without the unit: `cpuUserDelta`."""
        return self.name.rpartition("_")[0]

    @property
    def unit(self) -> str:
        """The unit: `s`, `bytes` or `count`."""
        return self.name.rpartition("_")[2]


FEATURES = (
    Feature("cpuUserDelta_s", "processor time in user mode", component=True),
    Feature("cpuNiceDelta_s", "processor time in user mode at low priority", component=True),
    Feature("cpuKernelDelta_s", "processor time in the kernel", component=True),
    Feature("cpuIdleDelta_s", "time in which processors had nothing to do", component=True),
    Feature("cpuIOWaitDelta_s", "idle time with input or output under way", component=True),
    Feature("cpuIrqDelta_s", "processor time for interrupts", component=True),
    Feature("cpuSoftIrqDelta_s", "processor time for deferred work of interrupts", component=True),
    Feature("cpuStealDelta_s", "time that the hypervisor gave to others", component=True),
    Feature("cpuGuestDelta_s", "processor time for virtual machines; contained in cpuUser"),
    Feature("cpuGuestNiceDelta_s", "the same at low priority; contained in cpuNice"),
    Feature("contextSwitchesDelta_count", "switches between threads"),
    Feature("pageFaultsDelta_count", "page faults"),
    Feature("majorPageFaultsDelta_count", "page faults that read from a disk"),
    Feature("totalMemory_bytes", "memory of the sandbox's machine or group"),
    Feature("freeMemory_bytes", "of that, unused after the call"),
    Feature("usedMemory_bytes", "of that, used after the call"),
    Feature("runtime_s", "handler and collector together"),
    Feature("userRuntime_s", "handler alone"),
    Feature("frameworkRuntime_s", "the collector alone"),
    Feature("availableCPUs_count", "processors whose times are counted"),
    Feature("utilizedCPUs_count", "processors busy on average"),
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
COMPONENTS = tuple(feature.name for feature in FEATURES if feature.component)
RUNTIME, CPUS = "runtime_s", "availableCPUs_count"
FROM, TO = "from", "to"

# What a row says beside its profile.
WORDS = {
    "function": "name of the benchmark or function",
    "step": "size of its work: a numbered step or the name of a size",
    "campaign": "label of the campaign, of which two independent ones are wanted: to train and to test",
    "environment": "kind of machine, as `environment_name` makes it; a pair of them is predicted from one to the other",
    "platform": "where it ran",
    "architecture": "x86_64 or arm64",
    "sandbox": "id of the sandbox that served it",
    "split": "train or unseen, where the campaign says which functions no model is fitted to; else empty",
    "side": "from or to, where a campaign says which machine is profiled and which is predicted; else empty",
    "run": "id of the run, or name of the file, that it came from",
}
NUMBERS = {"sample": "number of the invocation in its step", "memory_mib": "provisioned memory in MiB"}
_BUSY = ("cpuUserDelta_s", "cpuNiceDelta_s", "cpuKernelDelta_s", "cpuIrqDelta_s", "cpuSoftIrqDelta_s")
# Fields that a control group does not have; its time is in user mode or in the kernel.
_UNTOLD = ("cpuNiceDelta_s", "cpuIOWaitDelta_s", "cpuIrqDelta_s", "cpuSoftIrqDelta_s", "cpuStealDelta_s",
           "cpuGuestDelta_s", "cpuGuestNiceDelta_s")  # fmt: skip


def environment_name(platform: str, architecture: str, memory_mib: float, more: str = "") -> str:
    """Return the name of a kind of machine: `aws-arm arm64 3008 MiB`, with what else tells it apart in parentheses."""
    return f"{platform} {architecture} {memory_mib:.0f} MiB" + (f" ({more})" if more else "")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Profiles of invocations, as columns.

    Args:
        frame: The numbers of `FEATURE_NAMES` and `NUMBERS`, NaN where there is none, and the words of `WORDS`.
        notes: What whoever reads results must know: how many rows were refused or marked on the way, and why.
    """

    frame: Frame
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if absent := [name for name in (*WORDS, *NUMBERS, *FEATURE_NAMES) if name not in self.frame]:
            raise UserError(f"a dataset without the columns {', '.join(absent)}")

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, name: str) -> Numbers:
        """Return a column of numbers."""
        return self.frame[name]

    def matrix(self, names: Sequence[str]) -> Numbers:
        """Return some columns of numbers side by side, one row for each invocation."""
        import numpy as np  # heavy

        return np.column_stack([self.frame[name] for name in names])

    def levels(self, word: str) -> list[str]:
        """Return the different words of a column that rows have, sorted; numbers by their value."""
        return sorted((str(level) for level in self.frame.tally(word)), key=natural)

    @property
    def functions(self) -> list[str]:
        """The functions that rows are of."""
        return self.levels("function")

    def select(self, *, where: Mask | Places | None = None, **words: str | Sequence[str]) -> Dataset:
        """Return the rows of a mask whose words are these: `select(campaign="train", function=["csv", "float"])`.

        Raises:
            UserError: If a column has no such word, with those that it has.
        """
        import numpy as np  # heavy

        chosen = self if where is None else Dataset(frame=self.frame.where(where), notes=self.notes)
        for column, wanted in words.items():
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            known = chosen.levels(column)
            if missing := [name for name in names if name not in known]:
                raise UserError(
                    f"no rows of {column} {missing[0]!r}; there are {', '.join(known[:20]) or 'no rows at all'}"
                )
            mask = np.logical_or.reduce([chosen.frame.equals(column, name) for name in names])
            chosen = Dataset(frame=chosen.frame.where(mask), notes=self.notes)
        return chosen

    def marked(self, *notes: str) -> Dataset:
        """Return the same rows with more notes."""
        return Dataset(frame=self.frame, notes=(*self.notes, *notes))

    def completed(self) -> Dataset:
        """Return the same with what follows from the rest where it is missing.

        A control group accounts for time in user mode and in the kernel alone: what it does not tell is 0, and idle is
        what is left of run time times processors, so that the components add up as those of a machine do.
        """
        import numpy as np  # heavy

        numbers = {name: self.frame[name] for name in self.frame.names}
        of_group = np.isnan(numbers["cpuIdleDelta_s"]) & ~np.isnan(numbers["cpuUserDelta_s"])
        if of_group.any():
            numbers |= {name: np.where(of_group & np.isnan(numbers[name]), 0.0, numbers[name]) for name in _UNTOLD}
        busy_s = np.sum([numbers[name] for name in _BUSY], axis=0)
        if of_group.any():
            left_s = np.maximum(0.0, numbers[CPUS] * numbers[RUNTIME] - busy_s)
            numbers["cpuIdleDelta_s"] = np.where(of_group, left_s, numbers["cpuIdleDelta_s"])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            utilized = busy_s / numbers[RUNTIME]
        untold = np.isnan(numbers["utilizedCPUs_count"]) & (numbers[RUNTIME] > 0)
        numbers["utilizedCPUs_count"] = np.where(untold, utilized, numbers["utilizedCPUs_count"])
        return Dataset(frame=self.frame.beside(Frame(numbers, {})), notes=self.notes)


def dataset_of(rows: Iterable[Mapping[str, Any]], notes: Sequence[str] = ()) -> Dataset:
    """Return rows as a dataset: numbers that are missing are NaN, words that are missing are empty."""
    import numpy as np  # heavy

    kept = list(rows)
    numbers = {
        name: np.array([_number(row.get(name)) for row in kept], dtype=float) for name in (*NUMBERS, *FEATURE_NAMES)
    }
    words = {name: coded([str(row.get(name) or "") for row in kept]) for name in WORDS}
    return Dataset(frame=Frame(numbers, words), notes=tuple(notes))


def joined_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """Return the rows of several datasets, one after the other."""
    if not datasets:
        return dataset_of([])
    return Dataset(
        frame=joined([each.frame for each in datasets]), notes=tuple(note for each in datasets for note in each.notes)
    )


def natural(word: str) -> tuple[int, float, str]:
    """Return a key that sorts numbers by their value, before words."""
    return (0, float(word), word) if word.isdigit() else (1, 0.0, word)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
