"""The platforms and benchmarks within reach of a run: what an experiment may look at while it plans."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.contracts import benchmarks
from sebsx.errors import UnknownNameError, UserError
from sebsx.model.offers import distinct
from sebsx.system.homes import expanded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.commands import Results
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.registered import Registered
    from sebsx.contracts.runs import RunView
    from sebsx.model import Provision, Run, Scalar


class NoResults:
    """A store without any run: for who plans where nothing was ever measured."""

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return no run."""
        return []

    def view(self, name: str) -> RunView:
        """Refuse: there is no run."""
        raise UnknownNameError("run", name, (), "sebsx runs")


@dataclass(frozen=True)
class Scene:
    """Looks things up by name; deploys nothing and touches no network.

    Args:
        registry: What plugins registered.
        platforms: The platforms of the run by name; not opened while an experiment plans.
        options: Levels asked for of each option of functions (`--option vcpu=1,2`).
        results: What earlier runs stored, to be read: a design may follow from what is known already.
    """

    registry: Registered
    platforms: Mapping[str, Platform[Any]]
    _: KW_ONLY
    options: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    results: Results = field(default_factory=lambda: NoResults())

    def provisions(self, platform: Platform[Any], memory_mib: Iterable[int], architecture: str) -> list[Provision]:
        """Return what functions are given on a platform: every memory size with every combination of options.

        Each has the levels of a cell (`factors`), and goes with it (`Cell(..., provision=...)`). One that is not
        available is among them, with the reason: its cell is stored as unsupported, and the others go on. Requests
        that the
        platform rounds to the same are one.

        Args:
            platform: The platform.
            memory_mib: Sizes asked for.
            architecture: Of the functions.
        """
        chosen = [dict(zip(self.options, levels, strict=True)) for levels in product(*self.options.values())]
        wanted = product(dict.fromkeys(memory_mib), chosen)
        return distinct([platform.provision(size_mib, options, architecture) for size_mib, options in wanted])

    def benchmark(self, name: str) -> Benchmark:
        """Return a benchmark by registered name or, for a word with a slash or a leading dot, by folder.

        Raises:
            UnknownNameError: If there is none; it suggests the nearest.
            UserError: If the folder is not a benchmark.
        """
        if "/" in name or name.startswith("."):
            return benchmarks.load(expanded(name).resolve(), self.registry.capabilities)
        try:
            found: Benchmark = self.registry.get("benchmarks", name)
        except UnknownNameError:
            if Path(name).is_dir():
                raise UserError(f"benchmark {name!r} is not known; to run the folder write ./{name}") from None
            raise
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
