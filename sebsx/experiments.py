"""The contract of an experiment: how functions are exercised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from sebsx.platforms import NoSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.benchmarks import Benchmark
    from sebsx.model import Capability, Plan
    from sebsx.platforms import Platform
    from sebsx.session import Session

S = TypeVar("S")


class Scene(Protocol):
    """What an experiment may look at while it plans: nothing is deployed yet, no network is touched."""

    @property
    def platforms(self) -> Mapping[str, Platform[Any]]:
        """The platforms of the run by name, not yet opened."""
        ...

    def benchmark(self, name: str) -> Benchmark:
        """Return a benchmark by its name or folder.

        Raises:
            UnknownNameError: If there is none; it suggests the nearest.
        """
        ...

    def benchmarks(self, group: str) -> list[str]:
        """Return the names of the benchmarks that carry a group's label, sorted."""
        ...

    def suite(self, name: str) -> list[str]:
        """Return the names of the benchmarks of a suite, sorted; `all` is every benchmark there is.

        Raises:
            UnknownNameError: If there is none; it suggests the nearest.
        """
        ...


class Experiment(ABC, Generic[S]):
    """A way to exercise functions. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types.
        summary: One line.
        Settings: Frozen dataclass.
        needs: Capabilities every platform of the run must have; checked before anything is deployed.
        analyzer: Name of the analyzer that reads its runs; None for none.
        runs_benchmarks: Whether `sebsx run benchmark NAME...` means this experiment; its settings then
            have a field `benchmarks`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type[Any]] = NoSettings
    needs: ClassVar[frozenset[Capability]] = frozenset()
    analyzer: ClassVar[str | None] = None
    runs_benchmarks: ClassVar[bool] = False

    @abstractmethod
    def plan(self, scene: Scene, settings: S) -> Plan:
        """Return the design: every cell, what it costs and how long it takes. Touches nothing.

        Raises:
            UserError: If the settings make no design.
        """

    @abstractmethod
    def run(self, session: Session, settings: S) -> None:
        """Measure. One readable function; touches only the session, which stores as it goes."""
