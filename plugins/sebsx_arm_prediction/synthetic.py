"""Campaigns that never ran, whose truth is known: what the models must recover.

Times of a function grow in equal steps; each part of processor time on the other machine is a planted multiple of the
part here, or the time on the other machine is given. Everything follows from a seed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from sebsx.model.frame import Frame
from sebsx_arm_prediction.dataset import COMPONENTS, Dataset, environment_name, joined_datasets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from sebsx.model.frame import Numbers

SOURCE, TARGET = environment_name("aws", "x86_64", 3008), environment_name("aws-arm", "arm64", 3008)
_SIDES = {SOURCE: ("aws", "x86_64"), TARGET: ("aws-arm", "arm64")}
CPUS, MEMORY_BYTES, COLLECTOR_S = 2.0, 3008 * 2**20, 4e-4
TRAIN, TEST = "train", "test"


@dataclass(frozen=True, kw_only=True)
class FunctionKind:
    """A function that never ran.

    Args:
        name: Of the function.
        shares: Of the time of all processors here, by component; what is left is idle.
        here_s: Run times of the first and the last step.
        there_s: The same on the other machine; None where it follows from `ratios`.
        ratios: What each component is multiplied with on the other machine; 1 where nothing is said.
        cv_here: Standard deviation over mean of the run times of a step.
        cv_there: The same on the other machine.
        switches_per_s: Context switches.
        faults_per_s: Page faults.
        used_share: Of memory.
    """

    name: str
    shares: Mapping[str, float]
    here_s: tuple[float, float] = (5.0, 120.0)
    there_s: tuple[float, float] | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    cv_here: float = 0.01
    cv_there: float = 0.01
    switches_per_s: float = 50.0
    faults_per_s: float = 200.0
    used_share: float = 0.1


def campaign(
    kinds: Sequence[FunctionKind],
    *,
    steps: int = 40,
    samples: int = 10,
    seed: int = 0,
    label: str = TRAIN,
    sides: Sequence[str] = (SOURCE, TARGET),
) -> Dataset:
    """Return the rows of a campaign: functions x steps x samples on each of two machines."""
    import numpy as np  # heavy

    rng = np.random.default_rng(seed)
    return joined_datasets([_rows(kind, steps, samples, rng, label, side) for kind in kinds for side in sides])


def _rows(kind: FunctionKind, steps: int, samples: int, rng: np.random.Generator, label: str, side: str) -> Dataset:
    import numpy as np  # heavy

    count = steps * samples
    work_s = np.repeat(np.linspace(*kind.here_s, steps), samples)
    shares = np.array([kind.shares.get(name, 0.0) for name in COMPONENTS])
    shares[COMPONENTS.index("cpuIdleDelta_s")] += 1.0 - shares.sum()
    parts = work_s[:, None] * CPUS * shares
    if side == TARGET:
        parts = parts * [kind.ratios.get(name, 1.0) for name in COMPONENTS]
        if kind.there_s is not None:
            wanted_s = np.repeat(np.linspace(*kind.there_s, steps), samples)
            parts *= (wanted_s * CPUS / parts.sum(axis=1))[:, None]
    cv = kind.cv_here if side == SOURCE else kind.cv_there
    parts = parts * rng.lognormal(-(cv**2) / 2, cv, count)[:, None] if cv else parts
    run_s = parts.sum(axis=1) / CPUS
    return Dataset(frame=_frame(kind, parts, run_s, np.tile(np.arange(samples), steps), steps, label, side, rng))


def _frame(
    kind: FunctionKind, parts: Numbers, run_s: Numbers, sample: Numbers, steps: int, label: str, side: str,
    rng: np.random.Generator,
) -> Frame:  # fmt: skip
    import numpy as np  # heavy

    count = len(run_s)
    busy = [COMPONENTS.index(name) for name in COMPONENTS if not name.startswith(("cpuIdle", "cpuIOWait", "cpuSteal"))]
    used = MEMORY_BYTES * kind.used_share * rng.normal(1.0, 0.01, count)
    numbers = {
        **{name: parts[:, place] for place, name in enumerate(COMPONENTS)},
        "cpuGuestDelta_s": np.zeros(count),
        "cpuGuestNiceDelta_s": np.zeros(count),
        "contextSwitchesDelta_count": rng.poisson(kind.switches_per_s * run_s).astype(float),
        "pageFaultsDelta_count": rng.poisson(kind.faults_per_s * run_s).astype(float),
        "majorPageFaultsDelta_count": np.zeros(count),
        "totalMemory_bytes": np.full(count, float(MEMORY_BYTES)),
        "freeMemory_bytes": MEMORY_BYTES - used,
        "usedMemory_bytes": used,
        "runtime_s": run_s,
        "userRuntime_s": run_s - COLLECTOR_S,
        "frameworkRuntime_s": np.full(count, COLLECTOR_S),
        "availableCPUs_count": np.full(count, CPUS),
        "utilizedCPUs_count": parts[:, busy].sum(axis=1) / run_s,
        "sample": sample.astype(float),
        "memory_mib": np.full(count, 3008.0),
    }
    platform, architecture = _SIDES[side]
    alike = {"function": kind.name, "campaign": label, "environment": side, "platform": platform,
             "architecture": architecture, "sandbox": f"{kind.name}-{architecture}", "split": "", "side": "",
             "run": label}  # fmt: skip
    words = {name: (np.zeros(count, dtype=np.int32), [word]) for name, word in alike.items()}
    step_names = [str(step) for step in range(1, steps + 1)]
    words["step"] = np.repeat(np.arange(steps, dtype=np.int32), count // steps), step_names
    return Frame(numbers, words)


# Shares of processor time, context switches and page faults a second of the study's functions, as their groups have
# them: the study does not publish profiles, so these are ours.
_PROFILES: Mapping[str, tuple[Mapping[str, float], float, float]] = {
    "primenumber": ({"cpuUserDelta_s": 0.97}, 20, 30),
    "readmemory": ({"cpuUserDelta_s": 0.42, "cpuKernelDelta_s": 0.08}, 25, 4_000),
    "readdisk": ({"cpuUserDelta_s": 0.12, "cpuKernelDelta_s": 0.22, "cpuIOWaitDelta_s": 0.2}, 4_000, 300),
    "chacha20": ({"cpuUserDelta_s": 0.50}, 15, 50),
    "readwritememory": ({"cpuUserDelta_s": 0.30, "cpuKernelDelta_s": 0.20}, 20, 60_000),
    "filehandle": ({"cpuUserDelta_s": 0.22, "cpuKernelDelta_s": 0.28}, 40, 100),
    "thread": ({"cpuUserDelta_s": 0.35, "cpuKernelDelta_s": 0.35}, 20_000, 2_000),
    "graph-pagerank": ({"cpuUserDelta_s": 0.49, "cpuKernelDelta_s": 0.01}, 15, 1_500),
    "graph-mst": ({"cpuUserDelta_s": 0.48, "cpuKernelDelta_s": 0.02}, 15, 2_500),
    "graph-bfs": ({"cpuUserDelta_s": 0.47, "cpuKernelDelta_s": 0.03}, 15, 3_500),
    "socket": ({"cpuUserDelta_s": 0.20, "cpuKernelDelta_s": 0.30}, 100, 100),
    "video-processing": ({"cpuUserDelta_s": 0.60, "cpuKernelDelta_s": 0.20}, 500, 8_000),
    "json-dumps": ({"cpuUserDelta_s": 0.495, "cpuKernelDelta_s": 0.005}, 15, 600),
    "sqlite": ({"cpuUserDelta_s": 0.35, "cpuKernelDelta_s": 0.15}, 30, 200),
    "chameleon": ({"cpuUserDelta_s": 0.48, "cpuKernelDelta_s": 0.02}, 15, 2_000),
    "compression": ({"cpuUserDelta_s": 0.45, "cpuKernelDelta_s": 0.04, "cpuIOWaitDelta_s": 0.03}, 200, 400),
    "float": ({"cpuUserDelta_s": 0.499}, 12, 20),
    "csv": ({"cpuUserDelta_s": 0.46, "cpuKernelDelta_s": 0.03}, 20, 3_000),
}


def published_table(name: str) -> list[dict[str, str]]:
    """Return a published table of the study by its name: `table3`, `confusion` or `classifiers`."""
    text = (files("sebsx_arm_prediction") / "published" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def published_kinds() -> list[FunctionKind]:
    """Return the study's 18 functions, with the run times and their spread that its Table III prints."""
    return [_published(row) for row in published_table("table3")]


def _published(row: Mapping[str, str]) -> FunctionKind:
    shares, switches, faults = _PROFILES[row["function"]]
    return FunctionKind(
        name=row["function"],
        shares=shares,
        here_s=(float(row["min_runtime_x86_s"]), float(row["max_runtime_x86_s"])),
        there_s=(float(row["min_runtime_arm_s"]), float(row["max_runtime_arm_s"])),
        cv_here=float(row["cv_x86_percent"]) / 100,
        cv_there=float(row["cv_arm_percent"]) / 100,
        switches_per_s=switches,
        faults_per_s=faults,
    )


def planted_kinds(user: float = 0.8, kernel: float = 1.4, count: int = 12, cv: float = 0.005) -> list[FunctionKind]:
    """Return functions of different mixtures whose parts take planted multiples of the time on the other machine.

    They are of one thread that is never idle, beside a processor that always is.
    """
    import numpy as np  # heavy

    ratios = {"cpuUserDelta_s": user, "cpuKernelDelta_s": kernel}
    found = []
    for number, share in enumerate(np.linspace(0.02, 0.9, count)):
        parts = {"cpuUserDelta_s": 0.5 * (1 - share), "cpuKernelDelta_s": 0.5 * share}
        idle = {"cpuIdleDelta_s": user * (1 - share) + kernel * share}
        name = f"mixture-{number:02d}"
        rates = {"switches_per_s": 20 + 50 * share, "faults_per_s": 100 + 3000 * share}
        found.append(FunctionKind(name=name, shares=parts, ratios={**ratios, **idle}, cv_here=cv, cv_there=cv, **rates))
    return found


def structureless_kinds(ratio: float = 0.9, count: int = 12, cv: float = 0.02, seed: int = 5) -> list[FunctionKind]:
    """Return functions that all take the same multiple of their time on the other machine, whatever they do."""
    import numpy as np  # heavy

    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        user, kernel = rng.uniform(0.05, 0.45, 2)
        shares = {"cpuUserDelta_s": float(user), "cpuKernelDelta_s": float(kernel)}
        ratios = dict.fromkeys(COMPONENTS, ratio)
        found.append(FunctionKind(name=f"function-{number:02d}", shares=shares, ratios=ratios, cv_here=cv, cv_there=cv))
    return found


def sleeping_kind() -> FunctionKind:
    """Return a function of another kind than all that compute: it waits for the network."""
    return FunctionKind(
        name="sleep", shares={"cpuUserDelta_s": 0.002}, here_s=(5.0, 60.0), switches_per_s=5, faults_per_s=5
    )


def network_kind() -> FunctionKind:
    """Return a function that waits for answers of others: idle for most of the time, and woken by each packet."""
    return FunctionKind(
        name="network",
        shares={"cpuUserDelta_s": 0.03, "cpuKernelDelta_s": 0.04, "cpuSoftIrqDelta_s": 0.02},
        here_s=(5.0, 60.0),
        switches_per_s=3_000,
        faults_per_s=40,
    )
