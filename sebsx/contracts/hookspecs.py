"""The hooks of sebsx. Hooks register classes and tell what happened; behaviour lives in the contracts.

A plugin is any module named by an entry point in group `sebsx`:

    # sebsx_fly/plugin.py
    from sebsx.contracts.hookspecs import hookimpl

    @hookimpl
    def sebsx_register_platforms():
        from sebsx_fly.backend import FlyPlatform
        return [FlyPlatform]

Import inside the hook function: loading a plugin must cost nothing. A hook may be left out, and takes
only the arguments it names; hooks gain arguments over time, they never lose or reorder them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.channels import Channel
    from sebsx.contracts.collectors import Collector
    from sebsx.contracts.commands import Command
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.exporters import Exporter
    from sebsx.contracts.kinds import PluginKind
    from sebsx.contracts.languages import Language
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.pricelists import Pricelist
    from sebsx.contracts.registered import Registered
    from sebsx.model import Capability, Deployment, Invocation, Run
    from sebsx.model.metrics import Metric
    from sebsx.settings import SettingsReader

NAMESPACE = "sebsx"
# The level of everything on docs/api.md. It grows only when something there changes that a plugin may rely on.
API_LEVEL = 1

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


def registering(hook: str, title: str) -> Any:
    """Return the specification of the hook that registers things of a kind that a plugin added."""

    def specification() -> Sequence[Any]: ...  # type: ignore[empty-body]  # a specification

    specification.__doc__ = f"Return {title}."
    return SimpleNamespace(**{hook: hookspec(specification)})


@hookspec
def sebsx_register_kinds() -> Sequence[PluginKind]:  # type: ignore[empty-body]  # a specification
    """Return kinds of things that others may bring to this plugin; each makes a hook `sebsx_register_<kind>`."""


@hookspec
def sebsx_register_capabilities() -> Sequence[Capability]:  # type: ignore[empty-body]  # a specification
    """Return words for what platforms can do and others ask for, each with its meaning."""


@hookspec
def sebsx_register_platforms() -> Sequence[type[Platform[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return platform classes: where functions run."""


@hookspec
def sebsx_register_benchmarks() -> Sequence[Path]:  # type: ignore[empty-body]  # a specification
    """Return folders; every `benchmark.toml` at any depth below them is a benchmark."""


@hookspec
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return experiment classes: how functions are exercised."""


@hookspec
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return analyzer classes: what stored runs say."""


@hookspec
def sebsx_register_exporters() -> Sequence[type[Exporter]]:  # type: ignore[empty-body]  # a specification
    """Return exporter classes: how results leave."""


@hookspec
def sebsx_register_collectors() -> Sequence[type[Collector]]:  # type: ignore[empty-body]  # a specification
    """Return collector classes: what is measured inside the function."""


@hookspec
def sebsx_register_languages() -> Sequence[type[Language]]:  # type: ignore[empty-body]  # a specification
    """Return language classes: how function code becomes a package and starts."""


@hookspec
def sebsx_register_pricelists() -> Sequence[type[Pricelist]]:  # type: ignore[empty-body]  # a specification
    """Return price list classes: what providers charge."""


@hookspec
def sebsx_register_channels() -> Sequence[type[Channel[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return channel classes: ways in which functions send messages to each other."""


@hookspec
def sebsx_register_metrics() -> Sequence[Metric]:  # type: ignore[empty-body]  # a specification
    """Return metrics that the plugin's code stores."""


@hookspec
def sebsx_register_commands() -> Sequence[type[Command[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return command classes: words of the command line."""


@hookspec
def sebsx_environment_facts() -> Mapping[str, Any]:  # type: ignore[empty-body]  # a specification
    """Return facts about the client machine, stored with every run; called once at its start."""


@hookspec
def sebsx_run_started(run: Run, registry: Registered, settings: SettingsReader | None) -> None:
    """Hear that a run was written to the store and begins.

    `registry` and `settings` are those that `sebsx_run_finished` hears of: what is wrong with a setting that is needed
    at the end can be said before hours are spent.
    """


@hookspec
def sebsx_invocations_stored(run: Run, deployment: Deployment, invocations: Sequence[Invocation]) -> None:
    """Hear of a batch after its commit; never called in the measured path."""


@hookspec
def sebsx_run_finished(run: Run, registry: Registered, settings: SettingsReader | None) -> None:
    """Hear that a run was closed, whatever its status.

    `registry` has what plugins registered, and `settings` reads the settings of today, those of `--set` among them, by
    section; None where a program that runs sebsx gave none.
    """
