"""What tests of session and orchestrator share: runs on a fake platform that fails as told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sebsx.testing
from sebsx.contracts.platforms import PlatformContext
from sebsx.model import Cell, Deployment, Plan, ProviderRecord, StartType
from sebsx.running.orchestrator import RunSpec
from sebsx.store import Store, open_store
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.registries import registry_with as registry_with  # what most of these tests need as well
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings

ECHO = str(Path(sebsx.testing.__file__).parent / "echo")


class Listener:
    """Remembers what an observer is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.warnings: list[str] = []
        self.progress: list[tuple[int, int]] = []
        self.plan: Plan | None = None

    def step(self, text: str) -> None:
        self.steps.append(text)

    def planned(self, plan: Plan) -> None:
        self.plan = plan

    def progressed(self, cell: Cell, done: int, failed: int) -> None:
        self.progress.append((done, failed))

    def warned(self, text: str) -> None:
        self.warnings.append(text)


def failing(*faults: Fault | None) -> type[FakePlatform]:
    """Return a platform whose first invocations meet these faults."""

    class Failing(FakePlatform):
        def __init__(self, settings: FakeSettings, context: PlatformContext) -> None:
            super().__init__(settings, context)
            self.faults = list(faults)

    return Failing


class Restoring(FakePlatform):
    """Says of every new sandbox that it was restored from a snapshot."""

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        return {
            key: record if record.init_s is None else replace(record, start_type=StartType.RESTORED)
            for key, record in super().records(deployment, request_ids).items()
        }


def run_spec(platforms: Mapping[str, Any] | None = None, **settings: Any) -> RunSpec:
    """Return what is asked of a run that measures the echo, three warm samples unless told otherwise."""
    wanted = {"benchmarks": (ECHO,), "start": ("warm",), "repetitions": 3, **settings}
    return RunSpec(PerfCost(), PerfCostSettings(**wanted), platforms or {"fake": FakeSettings()}, seed=1)


@contextmanager
def store_in(folder: Path) -> Iterator[Store]:
    with open_store(folder / "results.sqlite") as store:
        yield store
