"""Holds every registered plugin, and the kit's own parts, to the published contracts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sebsx
from sebsx import plugins
from sebsx.contracts import hookspecs
from sebsx.testing import contracts, fakes, handlers, later
from sebsx.testing.contracts import (
    AnalyzerContract,
    BenchmarkContract,
    ChannelContract,
    CollectorContract,
    CommandContract,
    ExperimentContract,
    ExporterContract,
    LanguageContract,
    PlatformContract,
    PricelistContract,
    StorageContract,
)
from sebsx.testing.runs import store_runs
from tests.mutants import MUTANTS
from tests.support import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.channels import Channel
    from sebsx.contracts.collectors import Collector
    from sebsx.contracts.commands import Command
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.exporters import Exporter
    from sebsx.contracts.languages import Language
    from sebsx.contracts.platforms import Platform, PlatformContext
    from sebsx.contracts.pricelists import Pricelist
    from sebsx.contracts.runs import RunView
    from sebsx.contracts.storage import Storage
    from sebsx.testing.mutations import Mutant

REGISTRY = plugins.load(BUILT_IN)
DOCS = Path(sebsx.__file__).parent.parent / "docs"
# What needs an account, deploys nothing, or needs something that exists has its own tests.
DEPLOYING = sorted({name for name, cls in REGISTRY.platforms.items() if cls.extra is None and cls.deploys})
# What makes a run of a few seconds on a platform in memory; the others need a real one, and have tests of their own.
QUICK: dict[str, dict[str, Any]] = {
    "perf-cost": {"benchmarks": ("sleep",), "size": "test", "start": ("cold", "warm"), "repetitions": 2},
}
BENCHMARKING = sorted(REGISTRY.experiments.keys() - {"function"})
# What a user has to say before there is a design.
NEEDED: dict[str, dict[str, Any]] = {
    "load": {"benchmark": "sleep", "rate": "10"},
    "calibrate": {"benchmark": "graph-bfs"},
}


def test_no_plugin_is_broken():
    probed = REGISTRY.probed()
    assert {plugin.name: plugin.error for plugin in probed if plugin.error} == {}
    assert {plugin.name: plugin.doubts for plugin in probed if plugin.doubts and plugin.distribution == "sebsx"} == {}


@pytest.mark.parametrize("kind", plugins.KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_all_that_the_table_says(kind: plugins.PluginKind) -> None:
    assert isinstance(getattr(REGISTRY, kind.name), dict), "the registry has no such attribute"
    assert hasattr(hookspecs, kind.hook)
    assert isinstance(kind.load_base(), type)
    page = (DOCS / kind.page).read_text(encoding="utf-8")
    assert kind.load_base().__name__ in page or kind.name in page, f"{kind.page} says nothing of it"
    if kind.contract:
        assert issubclass(HELD_BY[kind.name], getattr(contracts, kind.contract)), "no test here holds it"


class TestFakePlatform(PlatformContract):
    @pytest.fixture
    def platform(self, context_for: Callable[[type[Platform[Any]]], PlatformContext]) -> Platform[Any]:
        return fakes.FakePlatform(fakes.FakeSettings(), context_for(fakes.FakePlatform))

    def test_calls_are_in_flight_together_or_said_not_to_be(self, live: Any, deploy: Any) -> None:
        """The fake says that they are, so that every experiment can be tried on it, though none takes any time."""


class TestLaterPlatform(PlatformContract):
    @pytest.fixture
    def platform(self, context_for: Callable[[type[Platform[Any]]], PlatformContext]) -> Platform[Any]:
        return later.LaterPlatform(fakes.FakeSettings(), context_for(later.LaterPlatform))


class TestEcho(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, echo_benchmark: Benchmark) -> Benchmark:
        return echo_benchmark


class TestFolderStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return handlers.FolderStorage(tmp_path / "objects")


@pytest.mark.slow  # each test starts a gateway
class TestPlatforms(PlatformContract):
    """Those that need nothing; what needs an account is held to it below `tests/platforms`."""

    @pytest.fixture(params=DEPLOYING)
    def platform(
        self, request: pytest.FixtureRequest, context_for: Callable[[type[Platform[Any]]], PlatformContext]
    ) -> Platform[Any]:
        cls = REGISTRY.platforms[request.param]
        return cls(cls.Settings(), context_for(cls))


@pytest.mark.network
class TestBenchmarks(BenchmarkContract):
    @pytest.fixture(params=sorted(REGISTRY.benchmarks))
    def benchmark(self, request: pytest.FixtureRequest) -> Benchmark:
        return REGISTRY.benchmarks[request.param]

    @pytest.fixture
    def mutants(self, benchmark: Benchmark) -> Sequence[Mutant]:
        return MUTANTS.get(benchmark.name, ())


class TestExperiments(ExperimentContract):
    @pytest.fixture(params=BENCHMARKING)
    def experiment(self, request: pytest.FixtureRequest) -> Experiment[Any]:
        return REGISTRY.experiments[request.param]()

    @pytest.fixture
    def settings(self, experiment: Experiment[Any]) -> Any:
        return experiment.Settings(**NEEDED.get(experiment.name, {}))

    @pytest.fixture
    def quick(self, experiment: Experiment[Any]) -> Any:
        return experiment.Settings(**QUICK[experiment.name]) if experiment.name in QUICK else None


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Mapping[str, RunView]]]:
    """Return a function that takes the name of an experiment and returns the runs of the contracts, stored once."""
    with ExitStack() as stores:

        @cache
        def runs_of(experiment: str) -> Mapping[str, RunView]:
            path = tmp_path_factory.mktemp("runs") / "runs.db"
            return stores.enter_context(contextmanager(store_runs)(path, experiment))

        yield runs_of


class TestAnalyzers(AnalyzerContract):
    @pytest.fixture(params=sorted(REGISTRY.analyzers))
    def analyzer(self, request: pytest.FixtureRequest) -> Analyzer[Any]:
        return REGISTRY.analyzers[request.param]()

    @pytest.fixture
    def runs(self, analyzer: Analyzer[Any], stored: Callable[[str], Mapping[str, RunView]]) -> Mapping[str, RunView]:
        return stored(analyzer.name)


class TestExporters(ExporterContract):
    @pytest.fixture(params=sorted(REGISTRY.exporters))
    def exporter(self, request: pytest.FixtureRequest) -> Exporter:
        return REGISTRY.exporters[request.param]()

    @pytest.fixture
    def runs(self, stored: Callable[[str], Mapping[str, RunView]]) -> Mapping[str, RunView]:
        return stored("perf-cost")


class TestCollectors(CollectorContract):
    @pytest.fixture(params=sorted(REGISTRY.collectors))
    def collector(self, request: pytest.FixtureRequest) -> Collector:
        return REGISTRY.collectors[request.param]()


class TestLanguages(LanguageContract):
    @pytest.fixture(params=sorted(REGISTRY.languages))
    def language(self, request: pytest.FixtureRequest) -> Language:
        return REGISTRY.languages[request.param]()


class TestChannels(ChannelContract):
    @pytest.fixture(params=sorted(REGISTRY.channels))
    def channel(self, request: pytest.FixtureRequest) -> Channel[Any]:
        cls = REGISTRY.channels[request.param]
        return cls(cls.Settings())


class TestPricelists(PricelistContract):
    @pytest.fixture(params=sorted(REGISTRY.pricelists))
    def pricelist(self, request: pytest.FixtureRequest) -> Pricelist:
        return REGISTRY.pricelists[request.param]()


class TestCommands(CommandContract):
    @pytest.fixture(params=sorted(REGISTRY.commands))
    def command(self, request: pytest.FixtureRequest) -> Command[Any]:
        return REGISTRY.commands[request.param]()


HELD_BY: dict[str, type] = {
    "platforms": TestPlatforms, "benchmarks": TestBenchmarks, "experiments": TestExperiments,
    "analyzers": TestAnalyzers, "exporters": TestExporters, "collectors": TestCollectors, "languages": TestLanguages,
    "channels": TestChannels, "pricelists": TestPricelists, "commands": TestCommands,
}  # fmt: skip
