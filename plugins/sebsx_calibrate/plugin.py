"""Registers the experiment, the analyzer and the command that calibrate numbered steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.commands import Command
    from sebsx.contracts.experiments import Experiment
    from sebsx.model.metrics import Metric


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiment."""
    from sebsx_calibrate.experiment import Calibrate  # loading a plugin costs nothing

    return [Calibrate]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_calibrate.analyzer import CalibrationAnalyzer  # loading a plugin costs nothing

    return [CalibrationAnalyzer]


@hookimpl
def sebsx_register_commands() -> Sequence[type[Command[Any]]]:
    """Return `sebsx calibrate`."""
    from sebsx_calibrate.command import CalibrateCommand  # loading a plugin costs nothing

    return [CalibrateCommand]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what a calibration stores beside its invocations."""
    from sebsx.model.metrics import Better, Metric  # loading a plugin costs nothing
    from sebsx_calibrate.result import COUNT, GROWTH

    return [
        Metric(
            GROWTH, "1", better=Better.NEITHER, meaning="exponent by which work grows with the parameter of the steps"
        ),
        Metric(COUNT, "count", better=Better.NEITHER, meaning="how many numbered steps the benchmark has"),
    ]
