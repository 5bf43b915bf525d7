"""Registers the experiment on shared memory, its analyzer, its metrics and its recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.recipes import Recipe
    from sebsx.model.metrics import Metric


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiment."""
    from sebsx_memory.experiment import MemorySharing  # loading a plugin costs nothing

    return [MemorySharing]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_memory.analyzer import MemorySharingAnalyzer  # loading a plugin costs nothing

    return [MemorySharingAnalyzer]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what is measured of all replicas together."""
    from sebsx_memory.metrics import METRICS  # loading a plugin costs nothing

    return METRICS


@hookimpl
def sebsx_register_recipes() -> Sequence[type[Recipe]]:
    """Return what was published of page merging."""
    from sebsx_memory.recipe import PageMerging  # loading a plugin costs nothing

    return [PageMerging]
