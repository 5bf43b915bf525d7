"""Registers the eviction experiment and its analyzer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.experiments import Experiment


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiment."""
    from sebsx_eviction.experiment import Eviction  # loading a plugin costs nothing

    return [Eviction]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_eviction.analyzer import EvictionAnalyzer  # loading a plugin costs nothing

    return [EvictionAnalyzer]
