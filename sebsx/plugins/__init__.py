"""The plugins: found by entry points, checked when they register something, guarded whenever they are called.

`load` finds them, `Registry` looks things up by kind and name, `KINDS` is the table of what can be registered. What
breaks its contract is told in one line and spoils nothing else.
"""

from sebsx.contracts.kinds import KINDS, PluginKind
from sebsx.plugins.finding import LoadedPlugin
from sebsx.plugins.registry import Registry, load

__all__ = ["KINDS", "LoadedPlugin", "PluginKind", "Registry", "load"]
