"""The kinds of things that plugins register: the one table that registry, settings, listings, docs and tests follow.

A row is all that core needs to know of a kind; what one of it does is in its contract. A plugin adds rows of its own
(`sebsx_register_kinds`), for what others may bring to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginKind:
    """A kind of things that plugins register.

    Args:
        name: Plural, in kebab-case; the word after `sebsx list`, and for ours the attribute of the registry.
        title: One line: what one of them is.
        base: Its contract, `module:Class`; what is registered is a subclass, or an instance if `of_instances`.
        page: Page of the documentation on how to write one, below `docs/`; for a kind of a plugin, where that is.
        contract: Class of `sebsx.testing.contracts` that holds one to its contract; empty where registering checks all.
        has_settings: Whether users set its `Settings` under `[<singular>.<name>]`.
        settings_word: First word of those sections where it is not the singular: `notify` for notifiers.
        of_instances: Whether instances are registered rather than classes.
        in_folders: Whether folders are registered, below which each `benchmark.toml` is one.
        raises: Exceptions of Python that belong to the contract of a method; all others must be ours.
    """

    name: str
    title: str
    base: str
    page: str = ""
    contract: str = ""
    has_settings: bool = False
    of_instances: bool = False
    in_folders: bool = False
    raises: tuple[tuple[str, tuple[type[Exception], ...]], ...] = ()
    settings_word: str = ""

    @property
    def singular(self) -> str:
        """What one of them is called, in messages and, unless it has a word of its own, in its settings section."""
        return self.name.removesuffix("ies") + "y" if self.name.endswith("ies") else self.name.removesuffix("s")

    @property
    def hook(self) -> str:
        """The hook that registers them."""
        return f"sebsx_register_{self.name.replace('-', '_')}"

    def load_base(self) -> type[Any]:
        """Import and return the contract."""
        module, _, name = self.base.partition(":")
        found: type[Any] = getattr(import_module(module), name)
        return found

    def section(self, name: str) -> str:
        """Return the settings section of one of them."""
        return f"{self.settings_word or self.singular}.{name}"


# Earlier ones are asked first: a platform is checked against the capabilities that are registered.
KINDS = (
    PluginKind(
        name="kinds",
        title="what plugins register: these, and what plugins add",
        base="sebsx.contracts.kinds:PluginKind",
        page="hooks.md",
        of_instances=True,
    ),
    PluginKind(
        name="capabilities",
        title="words for what platforms can do and others ask for",
        base="sebsx.model.capabilities:Capability",
        page="hooks.md",
        of_instances=True,
    ),
    PluginKind(
        name="platforms",
        title="where functions run",
        base="sebsx.contracts.platforms:Platform",
        page="write-a-platform.md",
        contract="PlatformContract",
        has_settings=True,
    ),
    PluginKind(
        name="benchmarks",
        title="what runs",
        base="sebsx.contracts.benchmarks:Benchmark",
        page="write-a-benchmark.md",
        contract="BenchmarkContract",
        in_folders=True,
    ),
    PluginKind(
        name="experiments",
        title="how functions are exercised",
        base="sebsx.contracts.experiments:Experiment",
        page="write-an-experiment.md",
        contract="ExperimentContract",
        has_settings=True,
    ),
    PluginKind(
        name="collectors",
        title="what is measured inside a function",
        base="sebsx.contracts.collectors:Collector",
        page="collectors.md",
        contract="CollectorContract",
    ),
    PluginKind(
        name="analyzers",
        title="what stored runs say",
        base="sebsx.contracts.analyzers:Analyzer",
        page="write-an-analyzer.md",
        contract="AnalyzerContract",
        has_settings=True,
    ),
    PluginKind(
        name="exporters",
        title="how results leave",
        base="sebsx.contracts.exporters:Exporter",
        page="export.md",
        contract="ExporterContract",
    ),
    PluginKind(
        name="languages",
        title="how function code is packaged and started",
        base="sebsx.contracts.languages:Language",
        page="add-a-language.md",
        contract="LanguageContract",
    ),
    PluginKind(
        name="pricelists",
        title="what providers charge",
        base="sebsx.contracts.pricelists:Pricelist",
        page="prices.md",
        contract="PricelistContract",
        raises=(("read_offer_file", (ValueError,)),),
    ),
    PluginKind(
        name="channels",
        title="ways in which functions send messages to each other",
        base="sebsx.contracts.channels:Channel",
        page="methods/communication.md",
        contract="ChannelContract",
    ),
    PluginKind(
        name="commands",
        title="words of the command line",
        base="sebsx.contracts.commands:Command",
        page="hooks.md",
        contract="CommandContract",
        has_settings=True,
    ),
    PluginKind(
        name="metrics",
        title="measured quantities, each with unit and owner",
        base="sebsx.model.metrics:Metric",
        page="metrics.md",
        of_instances=True,
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
