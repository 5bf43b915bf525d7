"""Registers the invocation-overhead experiment, its analyzer and its metrics."""

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
    from sebsx_invocation_overhead.experiment import InvocationOverhead  # loading a plugin costs nothing

    return [InvocationOverhead]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_invocation_overhead.analyzer import InvocationOverheadAnalyzer  # loading a plugin costs nothing

    return [InvocationOverheadAnalyzer]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return the readings of the function's clock."""
    from sebsx.model.metrics import Better, Metric
    from sebsx_invocation_overhead.windows import RECEIVED, REPLIED  # loading a plugin costs nothing

    return [
        Metric(
            RECEIVED,
            "s",
            better=Better.NEITHER,
            meaning="Unix time by the function's wall clock when its handler began",
        ),
        Metric(
            REPLIED, "s", better=Better.NEITHER, meaning="Unix time by the function's wall clock when its handler ended"
        ),
    ]
