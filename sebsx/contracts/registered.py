"""What plugins registered, as far as experiments and the scene look it up; the registry of `sebsx.plugins` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.channels import Channel
    from sebsx.contracts.platforms import Platform
    from sebsx.model import Capability
    from sebsx.model.metrics import Metric


class Registered(Protocol):
    """Everything that plugins registered, by kind and name."""

    @property
    def platforms(self) -> Mapping[str, type[Platform[Any]]]:
        """Platform classes by name."""
        ...

    @property
    def benchmarks(self) -> Mapping[str, Benchmark]:
        """Benchmarks by name."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Metrics by name, a family under its pattern."""
        ...

    @property
    def channels(self) -> Mapping[str, type[Channel[Any]]]:
        """Channel classes by name."""
        ...

    @property
    def capabilities(self) -> Mapping[str, Capability]:
        """The words that a platform may claim and a benchmark or experiment may need."""
        ...

    def of(self, kind: str) -> Mapping[str, Any]:
        """Return all that is registered as `kind` (`platforms`, or a kind that a plugin added), by name.

        Raises:
            UnknownNameError: If there is no such kind.
        """
        ...

    def get(self, kind: str, name: str) -> Any:
        """Return what is registered as `kind` (`platforms`, `benchmarks`, ...) under `name`.

        Raises:
            PluginError: If the plugin that would have brought it is broken.
            UnknownNameError: If nobody registered it; it suggests the nearest.
        """
        ...

    def brought(self, folder: Path) -> bool:
        """Tell whether the benchmark in a folder came with a plugin; its manifest is not read."""
        ...

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin that wants to hear; one that fails keeps no other from it."""
        ...
