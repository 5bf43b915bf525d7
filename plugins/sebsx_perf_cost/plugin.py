"""Registers the perf-cost experiment and its analyzer."""

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
    from sebsx_perf_cost.experiment import PerfCost  # loading a plugin costs nothing

    return [PerfCost]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_perf_cost.analyzer import PerfCostAnalyzer  # loading a plugin costs nothing

    return [PerfCostAnalyzer]
