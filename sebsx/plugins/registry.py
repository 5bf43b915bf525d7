"""What plugins registered, looked up by kind and name.

One broken plugin never stops the tool: it is kept with its distribution and error, and everything else
works. Names are unique per kind; of two plugins that claim one, the first by distribution name keeps it.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from sebsx.contracts import hookspecs
from sebsx.contracts.kinds import BY_NAME, PluginKind
from sebsx.errors import PluginError, UnknownNameError, nearest
from sebsx.plugins import checking, finding
from sebsx.plugins.finding import OURS, LoadedPlugin
from sebsx.plugins.guarding import Owner, guard, in_one_line, shown
from sebsx.settings import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.channels import Channel
    from sebsx.contracts.collectors import Collector
    from sebsx.contracts.commands import Command
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.exporters import Exporter
    from sebsx.contracts.languages import Language
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.pricelists import Pricelist
    from sebsx.model import Capability
    from sebsx.model.metrics import Metric

logger = logging.getLogger(__name__)


@dataclass
class Registry:
    """Everything plugins registered, by kind and name, filled when first asked for.

    Args:
        manager: Holds the plugins that loaded.
        plugins: All that were found, broken ones too.
    """

    manager: pluggy.PluginManager
    plugins: list[LoadedPlugin]
    _found: dict[str, dict[str, Any]] = field(default_factory=dict)
    _owners: dict[str, dict[str, str]] = field(default_factory=dict)
    _refused: dict[tuple[str, str], str] = field(default_factory=dict)
    _register: checking.Register = field(init=False)

    def __post_init__(self) -> None:
        self._register = checking.Register(lambda: self.capabilities)

    @property
    def kinds(self) -> Mapping[str, PluginKind]:
        """What there is of registered things: ours, and those that plugins added."""
        return self.of("kinds")

    @property
    def capabilities(self) -> Mapping[str, Capability]:
        """What platforms can do and others ask for, by word."""
        return self.of("capabilities")

    @property
    def platforms(self) -> Mapping[str, type[Platform[Any]]]:
        """Platform classes by name."""
        return self.of("platforms")

    @property
    def experiments(self) -> Mapping[str, type[Experiment[Any]]]:
        """Experiment classes by name."""
        return self.of("experiments")

    @property
    def analyzers(self) -> Mapping[str, type[Analyzer[Any]]]:
        """Analyzer classes by name."""
        return self.of("analyzers")

    @property
    def exporters(self) -> Mapping[str, type[Exporter]]:
        """Exporter classes by name."""
        return self.of("exporters")

    @property
    def collectors(self) -> Mapping[str, type[Collector]]:
        """Collector classes by name."""
        return self.of("collectors")

    @property
    def languages(self) -> Mapping[str, type[Language]]:
        """Language classes by name."""
        return self.of("languages")

    @property
    def pricelists(self) -> Mapping[str, type[Pricelist]]:
        """Price list classes by provider."""
        return self.of("pricelists")

    @property
    def channels(self) -> Mapping[str, type[Channel[Any]]]:
        """Channel classes by name."""
        return self.of("channels")

    @property
    def commands(self) -> Mapping[str, type[Command[Any]]]:
        """Command classes by name."""
        return self.of("commands")

    @property
    def benchmarks(self) -> Mapping[str, Benchmark]:
        """Benchmarks by name; a folder whose manifest is wrong marks its plugin as broken."""
        return self.of("benchmarks")

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Metrics of core, collectors and plugins by name; each belongs to who registered it."""
        return self.of("metrics")

    @cached_property
    def default_platform(self) -> str | None:
        """The platform of a run that names none: the first that says so, ours before others."""
        return next((name for name, cls in self.platforms.items() if cls.default), None)

    def of(self, kind: str) -> Mapping[str, Any]:
        """Return all that is registered as `kind` (`platforms`, or a kind that a plugin added), by name.

        Raises:
            UnknownNameError: If there is no such kind.
        """
        if kind not in self._found:
            known = BY_NAME if kind in BY_NAME else self.kinds
            if kind not in known:
                raise UnknownNameError("kind", kind, known, ", ".join(known))
            self._found[kind], self._owners[kind] = self._core(kind)
            self._gather(known[kind])
        return self._found[kind]

    def open_hooks(self) -> None:
        """Make the hooks of kinds that plugins added; a plugin that has a hook of no kind is broken."""
        for kind in self.kinds.values():
            if kind.name not in BY_NAME:
                self._open_hook(kind)
        for plugin in [loaded.name for loaded in self.plugins if self.manager.has_plugin(loaded.name)]:
            callers = self.manager.get_hookcallers(self.manager.get_plugin(plugin)) or []
            unknown = [caller.name for caller in callers if not caller.has_spec()]
            with self._blaming(plugin, "hooks"):
                if unknown:
                    self.manager.unregister(name=plugin)
                    known = [name for name in vars(self.manager.hook) if not name.startswith("_")]
                    close = nearest(unknown[0], [name for name in known if name not in unknown])
                    advice = f"; did you mean {close!r}?" if close else " (the plugin that has it may be missing)"
                    raise PluginError(f"unknown hook {unknown[0]!r}{advice}")

    def sections(self) -> list[Section]:
        """Return the settings sections of all plugins."""
        return [
            Section(kind.section(name), cls.Settings)
            for kind in self.kinds.values()
            if kind.has_settings
            for name, cls in self.of(kind.name).items()
        ]

    def owner_of(self, kind: str, name: str) -> str:
        """Return the name of the plugin that registered something; `sebsx` for what core did."""
        self.of(kind)
        return self._owners[kind][name]

    def whose(self, kind: str, name: str) -> str:
        """Return something with whom it is of, for messages: `exporter 'xlsx' of sebsx-xlsx 1.0`."""
        owner = self.owner_of(kind, name)
        return f"{self.kinds[kind].singular} {name!r} of {owner if owner == OURS else self._owner(owner)}"

    def probed(self) -> list[LoadedPlugin]:
        """Return all plugins after asking each for everything, and its distribution for what it requires."""
        for kind in self.kinds:
            self.of(kind)
        # One distribution has many plugins; what it requires is read from a hundred others.
        told = {owner: tuple(finding.unmet(owner)) for owner in {plugin.distribution for plugin in self.plugins}}
        return [replace(plugin, doubts=(*plugin.doubts, *told[plugin.distribution])) for plugin in self.plugins]

    def get(self, kind: str, name: str) -> Any:
        """Return what is registered as `kind` (`platforms`, `benchmarks`, ...) under `name`.

        Raises:
            PluginError: If the plugin that would have brought it is broken, or what it brought was refused.
            UnknownNameError: If nobody registered it; it suggests the nearest.
        """
        known = self.of(kind)
        if name in known:
            return known[name]
        if reason := self._refused.get((kind, name)):
            raise PluginError(f"{reason} (sebsx plugins)")
        for plugin in self.plugins:
            if plugin.error and plugin.name == name:
                raise PluginError(f"plugin {name!r} of {plugin.distribution} is broken: {plugin.error} (sebsx plugins)")
        meant = [word for word, item in known.items() if name.lower() in getattr(item, "also_called", ())]
        meant = meant or [word for word in known if name.startswith(f"{word}:")]  # with more behind it, as a region
        raise UnknownNameError(self.kinds[kind].singular, name, known, f"sebsx list {kind}", meant=meant)

    def brought(self, folder: Path) -> bool:
        """Tell whether the benchmark in a folder came with a plugin; no manifest is read for it."""
        if "benchmarks" in self._found:
            return any(benchmark.root == folder for benchmark in self.benchmarks.values())
        kind = BY_NAME["benchmarks"]
        return any(folder in items for _plugin, items in self._returned(kind))

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin; one that fails is logged in one line and the others still hear."""
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            accepted = {name: arguments[name] for name in implementation.argnames}
            try:
                implementation.function(**accepted)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # telling a hook may fail in any way
                owner = self._owner(implementation.plugin_name)
                logger.debug("plugin %r failed in %s", owner.plugin, hook, exc_info=True)
                logger.warning("plugin %r of %s failed in %s: %s", owner.plugin, owner, hook, in_one_line(exc))

    def facts(self) -> dict[str, Any]:
        """Return what plugins say of the client machine; one that is not JSON marks its plugin as broken."""
        found: dict[str, Any] = {}
        for implementation in self.manager.hook.sebsx_environment_facts.get_hookimpls():
            with self._blaming(implementation.plugin_name, "facts"):
                told: Any = implementation.function()
                said = dict(told or {})
                json.dumps(said, allow_nan=False)
                found = {**said, **found}
        return found

    def _core(self, kind: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what is there before any plugin is asked, and whose it is."""
        if kind == "kinds":
            return dict(BY_NAME), dict.fromkeys(BY_NAME, OURS)
        if kind not in ("capabilities", "metrics"):
            return {}, {}
        from sebsx.model.capabilities import CORE_CAPABILITIES  # `sebsx --help` asks for neither, and must stay quick
        from sebsx.model.metrics import CORE_METRICS

        if kind == "capabilities":
            return {str(word): word for word in CORE_CAPABILITIES}, {str(word): OURS for word in CORE_CAPABILITIES}
        metrics = {metric.name: metric for metric in CORE_METRICS}
        owners = dict.fromkeys(metrics, OURS)
        for name, collector in self.collectors.items():
            metrics |= {metric.name: metric for metric in collector.metrics}
            owners |= dict.fromkeys((metric.name for metric in collector.metrics), self._owners["collectors"][name])
        return metrics, owners

    def _open_hook(self, kind: PluginKind) -> None:
        """Make the hook of a kind; whoever has one that takes arguments is broken."""
        early = getattr(self.manager.hook, kind.hook, None)  # whoever was loaded before the hook was there
        for implementation in early.get_hookimpls() if early else ():
            if taken := ", ".join(implementation.argnames):
                self.manager.unregister(name=implementation.plugin_name)
                with self._blaming(implementation.plugin_name, kind.name):
                    raise PluginError(f"{kind.hook}({taken}) is called without arguments")
        self.manager.add_hookspecs(hookspecs.registering(kind.hook, kind.title))

    def _gather(self, kind: PluginKind) -> None:
        """Call a registering hook plugin by plugin, so that what fails spoils only itself."""
        for plugin, items in self._returned(kind):
            for item in items:
                with self._blaming(plugin, kind.name, item):
                    self._add(kind, plugin, item)

    def _returned(self, kind: PluginKind) -> Iterator[tuple[str, list[Any]]]:
        """Yield what each plugin registers of a kind, before it is checked."""
        for implementation in getattr(self.manager.hook, kind.hook).get_hookimpls():
            plugin = implementation.plugin_name
            items: list[Any] = []
            with self._blaming(plugin, kind.name):
                items.extend(_items(kind, implementation.function() or ()))
            yield plugin, items

    def _add(self, kind: PluginKind, plugin: str, item: Any) -> None:
        """Check one thing and keep it.

        Raises:
            PluginError: If it is not what its kind is, or its name is taken.
        """
        found, owners = self._found[kind.name], self._owners[kind.name]
        name, value = self._checked(kind, plugin, item)
        if name in found and not (kind.name == "metrics" and found[name] == value):
            raise PluginError(f"{name!r} is registered by {owners[name]!r} already")
        found[name] = value
        owners.setdefault(name, plugin)

    def _checked(self, kind: PluginKind, plugin: str, item: Any) -> tuple[str, Any]:
        """Return what a plugin registers under its name, ready to be called."""
        if kind.in_folders:
            return self._benchmark(item)
        if kind.of_instances:
            if not isinstance(item, base := kind.load_base()):
                raise PluginError(f"{shown(item)} is not a {base.__name__}")
            if kind.name == "kinds":
                checking.check_kind(item)
                return item.name, item
            if kind.name == "metrics":
                checking.check_metric(item, plugin, self._found["metrics"], self._owners["metrics"])
                return item.name, item
            checking.check_capability(item)
            return str(item), item
        doubts = checking.check_class(item, kind, self._register)
        self._doubt(plugin, doubts)
        return item.name, guard(item, kind, self._owner(plugin))

    def _benchmark(self, folder: Path) -> tuple[str, Benchmark]:
        from sebsx.contracts import benchmarks  # only those who ask for benchmarks pay for them

        benchmark = benchmarks.load(folder, self.capabilities)
        checking.check_words(benchmark, f"benchmark in {str(folder)!r}")
        return benchmark.name, benchmark

    def _owner(self, plugin: str) -> Owner:
        loaded = self.plugins[self._place(plugin)]
        return Owner(loaded.name, loaded.distribution, loaded.version)

    def _place(self, plugin: str) -> int:
        return next(index for index, loaded in enumerate(self.plugins) if loaded.name == plugin)

    @contextmanager
    def _blaming(self, plugin: str, kind: str, item: Any = None) -> Iterator[None]:
        """Mark a plugin as broken if its code fails, in whatever way, and go on; what it prints is not a result."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # registering may fail in any way
            logger.debug("plugin %r failed to register %s", plugin, kind, exc_info=True)
            error = f"{kind}: {in_one_line(exc, place=not isinstance(exc, PluginError))}"
            if (name := _name_of(item)) is not None:
                where = self._owner(plugin)
                self._refused.setdefault(
                    (kind, name), f"{self.kinds[kind].singular} {name!r} of {where} is broken: {exc}"
                )
            index = self._place(plugin)
            loaded = self.plugins[index]
            self.plugins[index] = replace(loaded, error=f"{loaded.error}; {error}" if loaded.error else error)
            logger.warning("plugin %r of %s is broken: %s", plugin, loaded.distribution, error)

    def _doubt(self, plugin: str, doubts: Iterable[str]) -> None:
        index = self._place(plugin)
        for doubt in doubts:
            logger.warning("plugin %r of %s: %s", plugin, self.plugins[index].distribution, doubt)
        self.plugins[index] = replace(self.plugins[index], doubts=(*self.plugins[index].doubts, *doubts))


def load(only: Iterable[str] | None = None) -> Registry:
    """Find and load plugins.

    Args:
        only: Names of entry points to load; None for all.

    Raises:
        UnknownNameError: If `only` names a plugin that is not installed.
    """
    points = finding.find()
    wanted = None if only is None else list(only)
    names = {point.name for point, *_ in points}
    for name in wanted or ():
        if name not in names:
            raise UnknownNameError("plugin", name, names, "sebsx plugins")
    manager = pluggy.PluginManager(hookspecs.NAMESPACE)
    manager.add_hookspecs(hookspecs)
    loaded = [finding.load_one(manager, *found) for found in points if wanted is None or found[0].name in wanted]
    registry = Registry(manager, loaded)
    registry.open_hooks()
    return registry


def _name_of(item: Any) -> str | None:
    """Return the name of what is registered, None where asking for it fails, in whatever way, or gives none."""
    try:
        name = getattr(item, "name", None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # a class of a metaclass that raises, SystemExit too
        return None
    return name if type(name) is str else None


def _items(kind: PluginKind, returned: Any) -> Iterable[Any]:
    """Return what a hook registers one by one; of folders the benchmarks below them."""
    if not kind.in_folders:
        return list(returned)
    from sebsx.contracts import benchmarks  # only those who ask for benchmarks pay for them

    folders: list[Any] = []
    for root in map(Path, returned):
        if not root.is_dir():
            raise PluginError(f"folder {str(root)!r} does not exist")
        folders += benchmarks.discover(root)
    return folders
