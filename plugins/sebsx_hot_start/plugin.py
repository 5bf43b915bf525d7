"""Registers the experiment on hot starts, its analyzer and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.experiments import Experiment
    from sebsx.model.metrics import Metric


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiment."""
    from sebsx_hot_start.experiment import HotStart  # loading a plugin costs nothing

    return [HotStart]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_hot_start.analyzer import HotStartAnalyzer  # loading a plugin costs nothing

    return [HotStartAnalyzer]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what exchanges with a polling sandbox took."""
    from sebsx.model.metrics import Better, Metric
    from sebsx_hot_start.experiment import ROUND_TRIP, SERIES  # loading a plugin costs nothing

    return [
        Metric(ROUND_TRIP, "s", meaning="a payload to a polling sandbox and back; median of one sandbox"),
        Metric(SERIES, "json", better=Better.NEITHER, meaning="the same of every exchange with one sandbox"),
    ]
