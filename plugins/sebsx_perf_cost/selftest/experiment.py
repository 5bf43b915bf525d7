"""The experiment `selftest`: one benchmark against itself, in as many whole comparisons as there is time for."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.model import Design, Factor, Plan
from sebsx.reading.units import many
from sebsx.settings import setting
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings, families_of
from sebsx_perf_cost.sampling import interleave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Cell

BENCHMARK = "pyaes"  # plain Python, nothing to download, some 50 ms of work
_QUICK = "test"
_TRIAL = "trial"


@dataclass(frozen=True)
class SelfTestSettings:
    """What is compared with itself, how often, and for how long at most."""

    benchmark: str = setting(BENCHMARK, help="name or folder of the benchmark that is compared with itself")
    size: str = setting("", help="input size; default: `test` where the benchmark has it")
    memory_mib: int = setting(
        0, help="provisioned memory in MiB; 0 for the benchmark's setting", option="--memory", minimum=0
    )
    trials: int = setting(20, help="whole comparisons of the code with itself", minimum=1, maximum=1000)
    repetitions: int = setting(30, help="samples wanted of each side of a trial", minimum=6)
    detect: float = setting(
        0.1, help="change that a trial would find in 95 % of cases; 0 stops at repetitions", minimum=0, maximum=10
    )
    max_sandboxes: int = setting(60, help="maximum number of sandboxes of a side of a trial", minimum=10)
    max_time_s: float = setting(600.0, help="time limit: no trial begins that would not end by then", minimum=1)

    def gate(self, size: str) -> PerfCostSettings:
        """Return how a gate measures two versions, where both are this benchmark."""
        return PerfCostSettings(
            benchmarks=(self.benchmark,), against=self.benchmark, size=size, start=("warm",), design=Design.RMIT,
            memory_mib=(self.memory_mib,) if self.memory_mib else (), repetitions=self.repetitions,
            detect=self.detect, max_sandboxes=self.max_sandboxes, max_time_s=self.max_time_s,
        )  # fmt: skip


class SelfTest(Experiment[SelfTestSettings]):
    """Deploys the same code as base and as new version, compares them in turns, and does that again and again."""

    name = "selftest"
    summary = "how far apart this machine and platform measure identical code"
    Settings: ClassVar[type[Any]] = SelfTestSettings
    factors = (*PerfCost.factors, Factor(name=_TRIAL, meaning="one comparison of the code with itself"))
    analyzer = "selftest"

    def plan(self, scene: Scene, settings: SelfTestSettings) -> Plan:
        """Return both sides of every trial."""
        cells, gate, notes = _cells(scene, settings)
        spreading = gate.spreading
        most = f" to {spreading.most}" if spreading.detect else ""
        sides = f"{spreading.sandboxes}{most} sandboxes a side"
        trials = many(settings.trials, "comparison")
        bound = f"{trials} of identical code, each of {sides}, in at most {settings.max_time_s:g} s"
        return Plan(tuple(cells), deployments=len(cells), notes=(bound, *notes), design=Design.RMIT)

    def run(self, session: Session, settings: SelfTestSettings) -> None:
        """Measure trial after trial, each whole, until all are measured or the next would take too long."""
        cells, gate, notes = _cells(session.scene, settings)
        left = session.pending(Plan(tuple(cells), deployments=0))
        for note in notes:
            session.observer.warned(note)
        began_s, longest_s, done = time.monotonic(), 0.0, 0
        for trial, both in groupby(left, key=lambda cell: cell.factors[_TRIAL]):
            now_s = time.monotonic()
            rest_s = settings.max_time_s - (now_s - began_s)
            if done and longest_s > rest_s:
                session.observer.warned(
                    f"the time limit of {settings.max_time_s:g} s ended it after {trial - 1} of {settings.trials} "
                    "trials (--max-time)"
                )
                return
            group = [(FunctionSpec.of(cell), cell) for cell in both]
            interleave(session, group, replace(gate, max_time_s=max(1.0, rest_s / len(group))))
            longest_s, done = max(longest_s, time.monotonic() - now_s), done + 1


def _cells(scene: Scene, settings: SelfTestSettings) -> tuple[list[Cell], PerfCostSettings, Sequence[str]]:
    """Return the cells of all trials, those of one together, how they are measured, and what is left out."""
    sizes = scene.benchmark(settings.benchmark).sizes
    gate = settings.gate(settings.size or (_QUICK if _QUICK in sizes else ""))
    ((sides,), left_out) = families_of(scene, gate)
    cells = [
        replace(cell, factors={**cell.factors, _TRIAL: trial})
        for trial in range(1, settings.trials + 1)
        for cell in sides
    ]
    return cells, gate, left_out
