"""Registers the network experiment, its analyzer and its metrics."""

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
    from sebsx_network.experiment import Network  # loading a plugin costs nothing

    return [Network]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_network.analyzer import NetworkAnalyzer  # loading a plugin costs nothing

    return [NetworkAnalyzer]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return the times that the function measured on its way to the storage."""
    from sebsx.model.metrics import Metric
    from sebsx_network.experiment import DOWNLOAD, UPLOAD  # loading a plugin costs nothing

    return [
        Metric(UPLOAD, "s", meaning="writing one object to the storage, by the function's monotonic clock"),
        Metric(DOWNLOAD, "s", meaning="reading it back, by the function's monotonic clock"),
    ]
