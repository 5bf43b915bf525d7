"""The platforms and benchmarks within reach of a run: what an experiment may look at while it plans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.contracts import benchmarks
from sebsx.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.registered import Registered


@dataclass(frozen=True)
class Scene:
    """Looks things up by name; deploys nothing and touches no network.

    Args:
        registry: What plugins registered.
        platforms: The platforms of the run by name; not opened while an experiment plans.
    """

    registry: Registered
    platforms: Mapping[str, Platform[Any]]

    def benchmark(self, name: str) -> Benchmark:
        """Return a benchmark by registered name or, for a word with a slash or a leading dot, by folder.

        Raises:
            UnknownNameError: If there is none; it suggests the nearest.
            UserError: If the folder is no benchmark.
        """
        if "/" in name or name.startswith("."):
            return benchmarks.load(Path(name).expanduser().resolve(), self.registry.capabilities)
        found: Benchmark = self.registry.get("benchmarks", name)
        return found

    def suite(self, name: str) -> list[str]:
        """Return the names of the benchmarks of a suite, sorted; `all` is every benchmark there is.

        Raises:
            UnknownNameError: If there is none; it suggests the nearest.
        """
        known = benchmarks.suites(self.registry.benchmarks.values())
        if name not in known:
            raise UnknownNameError("suite", name, known, "sebsx list suites")
        return known[name]
