"""Registers the perf-cost experiment and its analyzer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.analyzers import Analyzer
    from sebsx.experiments import Experiment
    from sebsx.metrics import Metric


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


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what the experiment stores of a run."""
    from sebsx.metrics import Better, Metric
    from sebsx_perf_cost.sampling import INPUT  # loading a plugin costs nothing

    return [Metric(INPUT, "1", Better.NEITHER, "digest of the input of a version that is compared, as a number")]
