"""Registers the serving lab, its analyzer, its metrics and its recipe."""

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
    from sebsx_serving.experiment import ServingLab  # loading a plugin costs nothing

    return [ServingLab]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_serving.analyzer import ServingAnalyzer  # loading a plugin costs nothing

    return [ServingAnalyzer]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what a server measures."""
    from sebsx_serving.metrics import METRICS  # loading a plugin costs nothing

    return METRICS


@hookimpl
def sebsx_register_recipes() -> Sequence[type[Recipe]]:
    """Return what was published of hybrid scaling."""
    from sebsx_serving.recipe import HybridScaling  # loading a plugin costs nothing

    return [HybridScaling]
