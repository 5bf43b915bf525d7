"""What this distribution registers. Import inside the hooks: loading a plugin must cost nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.platforms import Platform

# The level of sebsx's public names that this was written for (docs/api.md).
sebsx_api = 1


@hookimpl
def sebsx_register_platforms() -> list[type[Platform[Any]]]:
    """Return the platform."""
    from sebsx_template.backend import OneShotPlatform

    return [OneShotPlatform]


@hookimpl
def sebsx_register_benchmarks() -> list[Path]:
    """Return the folder below which the benchmarks are."""
    return [Path(__file__).parent / "benchmarks"]


@hookimpl
def sebsx_register_analyzers() -> list[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_template.analyzer import FailuresAnalyzer

    return [FailuresAnalyzer]
