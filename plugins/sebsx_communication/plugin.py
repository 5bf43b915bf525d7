"""Registers the communication experiment, its analyzer, the channels and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.channels import Channel
    from sebsx.contracts.experiments import Experiment
    from sebsx.model.metrics import Metric


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiment."""
    from sebsx_communication.experiment import Communication  # loading a plugin costs nothing

    return [Communication]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_communication.analyzer import CommunicationAnalyzer  # loading a plugin costs nothing

    return [CommunicationAnalyzer]


@hookimpl
def sebsx_register_channels() -> Sequence[type[Channel[Any]]]:
    """Return the channels that come with the experiment."""
    from sebsx_communication.channels import CHANNELS  # loading a plugin costs nothing

    return CHANNELS


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what both ends store, and what a message costs."""
    from sebsx_communication.exchanges import METRICS  # loading a plugin costs nothing

    return METRICS
