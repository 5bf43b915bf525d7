"""Finds plugins by entry points, isolates the broken ones, and looks things up by name.

One broken plugin never stops the tool: it is kept with its distribution and error, and everything else
works. Names are unique per kind; of two plugins that claim one, the first by distribution name keeps it.
"""

from __future__ import annotations

import inspect
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from sebsx.contracts import hookspecs
from sebsx.errors import PluginError, UnknownNameError
from sebsx.model.metrics import CORE_METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.channels import Channel
    from sebsx.contracts.collectors import Collector
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.exporters import Exporter
    from sebsx.contracts.languages import Language
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.pricelists import Pricelist
    from sebsx.pricing import Shelf

logger = logging.getLogger(__name__)

GROUP = "sebsx"
KINDS = (
    "platforms", "benchmarks", "experiments", "collectors", "analyzers", "exporters", "languages", "pricelists",
    "channels",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was found: its entry point, distribution, and error if it is broken."""

    name: str
    module: str
    distribution: str
    version: str
    error: str | None = None


@dataclass
class Registry:
    """Everything plugins registered, by kind and name, filled when first asked for.

    Args:
        manager: Holds the plugins that loaded.
        plugins: All that were found, broken ones too.
    """

    manager: pluggy.PluginManager
    plugins: list[LoadedPlugin]
    _cache: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def platforms(self) -> Mapping[str, type[Platform[Any]]]:
        """Platform classes by name."""
        return self._classes("platforms")

    @property
    def experiments(self) -> Mapping[str, type[Experiment[Any]]]:
        """Experiment classes by name."""
        return self._classes("experiments")

    @property
    def analyzers(self) -> Mapping[str, type[Analyzer[Any]]]:
        """Analyzer classes by name."""
        return self._classes("analyzers")

    @property
    def exporters(self) -> Mapping[str, type[Exporter]]:
        """Exporter classes by name."""
        return self._classes("exporters")

    @property
    def collectors(self) -> Mapping[str, type[Collector]]:
        """Collector classes by name."""
        return self._classes("collectors")

    @property
    def languages(self) -> Mapping[str, type[Language]]:
        """Language classes by name."""
        return self._classes("languages")

    @property
    def pricelists(self) -> Mapping[str, type[Pricelist]]:
        """Price list classes by provider."""
        return self._classes("pricelists")

    @property
    def channels(self) -> Mapping[str, type[Channel[Any]]]:
        """Channel classes by name."""
        return self._classes("channels")

    @cached_property
    def prices(self) -> Shelf:
        """The price books of all providers."""
        from sebsx.pricing import Shelf  # only those who ask for prices pay for them

        return Shelf(self)

    @property
    def benchmarks(self) -> Mapping[str, Benchmark]:
        """Benchmarks by name; a folder whose manifest is wrong marks its plugin as broken."""
        if "benchmarks" not in self._cache:
            self._cache["benchmarks"] = self._gather("benchmarks", _folders, _load_benchmark)
        return self._cache["benchmarks"]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Metrics of core, collectors and plugins by name."""
        if "metrics" not in self._cache:
            metrics = {metric.name: metric for metric in CORE_METRICS}
            for collector in self.collectors.values():
                metrics.update({metric.name: metric for metric in collector.metrics})
            metrics.update(self._gather("metrics", list, _check_metric))
            self._cache["metrics"] = metrics
        return self._cache["metrics"]

    def probed(self) -> list[LoadedPlugin]:
        """Return all plugins after asking each for everything: some break only when asked."""
        for kind in (*KINDS, "metrics"):
            getattr(self, kind)
        return self.plugins

    def get(self, kind: str, name: str) -> Any:
        """Return what is registered as `kind` (`platforms`, `benchmarks`, ...) under `name`.

        Raises:
            PluginError: If the plugin that would have brought it is broken.
            UnknownNameError: If nobody registered it; it suggests the nearest.
        """
        known = getattr(self, kind)
        if name in known:
            return known[name]
        for plugin in self.plugins:
            if plugin.error and plugin.name == name:
                raise PluginError(f"plugin {name!r} of {plugin.distribution} is broken: {plugin.error} (sebsx plugins)")
        raise UnknownNameError(kind.removesuffix("s"), name, known, f"sebsx list {kind}")

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin; one that fails is logged with its traceback and the others still hear."""
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            accepted = {name: arguments[name] for name in implementation.argnames}
            try:
                implementation.function(**accepted)
            except Exception:
                logger.exception("plugin %r failed in %s", implementation.plugin_name, hook)

    def facts(self) -> dict[str, Any]:
        """Return what plugins say of the client machine, by plugin."""
        return self._gather("facts", lambda facts: facts.items(), lambda pair: pair, "sebsx_environment_facts")

    def _classes(self, kind: str) -> dict[str, Any]:
        if kind not in self._cache:
            self._cache[kind] = self._gather(kind, list, _class_checker(kind))
        return self._cache[kind]

    def _gather(
        self,
        kind: str,
        expand: Callable[[Any], Iterable[Any]],
        read: Callable[[Any], tuple[str, Any]],
        hook: str | None = None,
    ) -> dict[str, Any]:
        """Call a registering hook plugin by plugin, so that what fails spoils only itself.

        Args:
            kind: What is registered.
            expand: Makes items of what a plugin returned.
            read: Checks one item and returns it with its name.
            hook: Name of the hook if it is not `sebsx_register_<kind>`.
        """
        found: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for implementation in getattr(self.manager.hook, hook or f"sebsx_register_{kind}").get_hookimpls():
            owner = implementation.plugin_name
            with self._blaming(owner, kind):
                for item in expand(implementation.function() or ()):
                    with self._blaming(owner, kind):
                        name, value = read(item)
                        if name in found:
                            raise PluginError(f"{name!r} is registered by {owners[name]!r} already")
                        found[name], owners[name] = value, owner
        return found

    @contextmanager
    def _blaming(self, owner: str, kind: str) -> Iterator[None]:
        """Mark a plugin as broken if its code fails, in whatever way, and go on."""
        try:
            yield
        except (Exception, SystemExit) as exc:
            logger.debug("plugin %r failed to register %s", owner, kind, exc_info=True)
            self._mark_broken(owner, f"{kind}: {_describe(exc)}")

    def _mark_broken(self, name: str, error: str) -> None:
        index = next(index for index, plugin in enumerate(self.plugins) if plugin.name == name)
        plugin = self.plugins[index]
        self.plugins[index] = replace(plugin, error=f"{plugin.error}; {error}" if plugin.error else error)
        logger.warning("plugin %r of %s is broken: %s", name, plugin.distribution, error)


def load(only: Iterable[str] | None = None) -> Registry:
    """Find and load plugins.

    Args:
        only: Names of entry points to load; None for all.

    Raises:
        UnknownNameError: If `only` names a plugin that is not installed.
    """
    points = _entry_points()
    wanted = None if only is None else list(only)
    for name in wanted or ():
        if name not in {point.name for point, *_ in points}:
            raise UnknownNameError("plugin", name, {point.name for point, *_ in points}, "sebsx plugins")
    manager = pluggy.PluginManager(hookspecs.NAMESPACE)
    manager.add_hookspecs(hookspecs)
    loaded = [_load_one(manager, *found) for found in points if wanted is None or found[0].name in wanted]
    return Registry(manager, loaded)


def _entry_points() -> list[tuple[EntryPoint, str, str]]:
    """Return the entry points of our group, each once, with name and version of their distributions; ours first."""
    points = {(point.name, point.value): point for point in entry_points(group=GROUP)}
    # One distribution has many; each look at its metadata would read them anew.
    one_of_each = {id(point.dist): point for point in points.values()}
    known = {key: _distribution(point) for key, point in one_of_each.items()}
    found = [(point, *known[id(point.dist)]) for point in points.values()]
    return sorted(found, key=lambda item: (item[1] != "sebsx", *item[1:], item[0].name))


def _load_one(manager: pluggy.PluginManager, point: EntryPoint, distribution: str, version: str) -> LoadedPlugin:
    error = None
    try:
        if manager.has_plugin(point.name):
            raise PluginError("another distribution has a plugin of that name")
        module = point.load()
        try:
            manager.register(module, name=point.name)
            manager.check_pending()
        except pluggy.PluginValidationError:
            manager.unregister(name=point.name)
            raise
    except (Exception, SystemExit) as exc:  # loading a plugin may fail in any way; it is listed as broken
        error = _describe(exc)
        logger.debug("plugin %r failed to load", point.name, exc_info=True)
        logger.warning("plugin %r of %s is broken: %s", point.name, distribution, error)
    return LoadedPlugin(point.name, point.value, distribution, version, error)


def _class_checker(kind: str) -> Callable[[Any], tuple[str, Any]]:
    """Return what checks a class registered as `kind`: its contract is `sebsx.<kind>.<Kind>`."""
    contract = getattr(import_module(f"sebsx.contracts.{kind}"), kind.removesuffix("s").capitalize())

    def check(cls: Any) -> tuple[str, Any]:
        if not (isinstance(cls, type) and issubclass(cls, contract)):
            raise PluginError(f"{cls!r} is no subclass of {contract.__name__}")
        if inspect.isabstract(cls):
            missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
            raise PluginError(f"{contract.__name__} {cls.__name__!r} lacks {missing}")
        name = getattr(cls, "name", None)
        if not isinstance(name, str):
            raise PluginError(f"{contract.__name__} {cls.__name__!r} lacks a name")
        return name, cls

    return check


def _check_metric(metric: Any) -> tuple[str, Metric]:
    if not isinstance(metric, Metric):
        raise PluginError(f"{metric!r} is no Metric")
    return metric.name, metric


def _folders(roots: Iterable[Path]) -> Iterator[Path]:
    from sebsx.contracts import benchmarks  # only those who ask for benchmarks pay for them

    for root in roots:
        if not root.is_dir():
            raise PluginError(f"folder {str(root)!r} does not exist")
        yield from benchmarks.discover(root)


def _load_benchmark(folder: Path) -> tuple[str, Benchmark]:
    from sebsx.contracts import benchmarks

    benchmark = benchmarks.load(folder)
    return benchmark.name, benchmark


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "")


def _describe(exc: BaseException) -> str:
    return " ".join(f"{type(exc).__name__}: {exc}".split())
