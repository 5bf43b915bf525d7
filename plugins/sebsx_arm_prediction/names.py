"""What files of profiles call the columns of a dataset: our names, and SAAF's with their units, aliases and defects.

Source: the inspectors and the FaaS Runner of the Serverless Application Analytics Framework, versions 0.5 to 0.7
(https://github.com/wlloyduw/SAAF).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx_arm_prediction.dataset import CPUS, FEATURES, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

RUN_TIMES = frozenset({RUNTIME, f"saaf.{RUNTIME}", "runtime", "function_duration_s"})
# FaaS Runner writes this where a run lacks an attribute that another one has.
MISSING = -999999999999.0
_MS, _KB, _TICK_S = 1e-3, 1024.0, 0.01
# Spelt so up to version 0.5, which gave processor times in ticks of 10 ms as /proc/stat has them.
_OLD = {"Usr": "User", "Krn": "Kernel", "Iowait": "IOWait"}
_OF_TICKS = {"vmcpustealDelta": "cpuStealDelta", **{f"cpu{old}Delta": f"cpu{new}Delta" for old, new in _OLD.items()}}
# What a row is of, by what it may be called; the first that is there counts.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "function": ("function", "functionName", "benchmark"),
    "step": ("step", "factor_size", "size"),
    "campaign": ("factor_campaign", "campaign"),
    "environment": ("environment",),
    "platform": ("platform",),
    "architecture": ("architecture", "factor_architecture"),
    "sandbox": ("sandbox", "containerID", "sandbox_id", "uuid"),
    "run": ("run", "runID"),
    "split": ("split", "factor_split"),
    "side": ("side", "factor_side"),
    "status": ("status",),
    "kind": ("kind",),
    "emulated": ("emulated",),
    "processor": ("cpuType", "cpuModel"),
}
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "sample": ("sample", "sequence"),
    "memory_mib": ("memory_mib", "functionMemory"),
}


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """Where a column of a dataset comes from.

    Args:
        name: What the file calls it.
        factor: What its values are multiplied by.
    """

    name: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What the columns of a file are.

    Args:
        numbers: Columns of numbers by name in a dataset; two sources are added up.
        words: Columns of words.
        in_ticks: Whether processor times are in ticks.
        of_saaf: Whether the names are SAAF's rather than ours.
    """

    numbers: dict[str, tuple[SourceColumn, ...]]
    words: dict[str, str]
    in_ticks: bool
    of_saaf: bool

    @property
    def names(self) -> list[str]:
        """The columns of the file that are read."""
        sources = [source.name for each in self.numbers.values() for source in each]
        return list(dict.fromkeys([*sources, *self.words.values()]))


def mapped(names: Iterable[str], chosen: dict[str, str] | None = None) -> Mapped:
    """Return what the columns of a file are, by their names.

    Args:
        names: Of the columns.
        chosen: Column of a file by word of a dataset, where its name does not tell.
    """
    there, chosen = set(names), chosen or {}
    ours = {
        feature.name: name for feature in FEATURES for name in (feature.name, f"saaf.{feature.name}") if name in there
    }
    in_ticks = any(old in there for old in _OF_TICKS)
    numbers: dict[str, tuple[SourceColumn, ...]] = {name: (SourceColumn(column),) for name, column in ours.items()}
    aliases = {new: old for old, new in _OF_TICKS.items()}
    for feature in FEATURES:
        if feature.name in numbers:
            continue
        found = next((name for name in (feature.saaf_name, aliases.get(feature.saaf_name, "")) if name in there), None)
        if found is not None:
            numbers[feature.name] = (SourceColumn(found, _factor(feature.saaf_name, feature.unit, in_ticks=in_ticks)),)
    if "frameworkRuntimeDeltas" in there and "frameworkRuntime_s" in numbers:
        numbers["frameworkRuntime_s"] += (SourceColumn("frameworkRuntimeDeltas", _MS),)
    if "cpuCores" in there and CPUS not in ours:  # `availableCPUs` is the share that memory buys, not what times are of
        numbers[CPUS] = (SourceColumn("cpuCores"),)
    if RUNTIME not in numbers and "function_duration_s" in there:  # exported without the collector
        numbers[RUNTIME] = (SourceColumn("function_duration_s"),)
    for name, column in _first(there, _NUMBERS).items():
        numbers[name] = (SourceColumn(column),)
    words = _first(there, {**_WORDS, **{name: (column,) for name, column in chosen.items()}})
    return Mapped(numbers=numbers, words=words, in_ticks=in_ticks, of_saaf=not ours and "runtime" in there)


def _first(there: Collection[str], wanted: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return for each name the first of its candidates that is there."""
    found = {name: next((each for each in candidates if each in there), None) for name, candidates in wanted.items()}
    return {name: column for name, column in found.items() if column is not None}


def is_profile(names: Iterable[str]) -> bool:
    """Tell whether columns have what every profile has: a run time."""
    return not RUN_TIMES.isdisjoint(names)


def _factor(name: str, unit: str, *, in_ticks: bool) -> float:
    if unit == "bytes":
        return _KB
    if unit != "s":
        return 1.0
    return _TICK_S if in_ticks and name.startswith("cpu") else _MS
