"""A registry with what a test brings beside the plugins that are installed."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from sebsx import plugins
from sebsx.contracts.hookspecs import hookimpl
from sebsx.plugins import LoadedPlugin, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.contracts.platforms import Platform


def registry_with(*platforms: type[Platform[Any]], **hooks: Callable[..., Any]) -> Registry:
    """Return all plugins that are installed and one of the test, `test`, with these platforms and hooks."""
    registry = plugins.load()
    plugin = types.SimpleNamespace(
        sebsx_register_platforms=hookimpl(lambda: platforms),
        **{name: hookimpl(function) for name, function in hooks.items()},
    )
    registry.manager.register(plugin, name="test")
    registry.plugins.append(LoadedPlugin(name="test", module="test", distribution="test", version="1"))
    return registry
