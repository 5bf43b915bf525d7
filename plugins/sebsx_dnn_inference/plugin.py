"""Registers the experiment on DNN inference, its analyzer, its metrics, and the kind of engines with ours of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl
from sebsx.contracts.kinds import PluginKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.recipes import Recipe
    from sebsx.model.metrics import Metric
    from sebsx_dnn_inference.engines import InferenceEngine


@hookimpl
def sebsx_register_kinds() -> Sequence[PluginKind]:
    """Return the engines, which other plugins may bring as well."""
    base = "sebsx_dnn_inference.engines:InferenceEngine"
    return [PluginKind(name="engines", title="what serves DNN models", base=base, page="methods/dnn-inference.md")]


@hookimpl
def sebsx_register_engines() -> Sequence[type[InferenceEngine]]:
    """Return our engines."""
    from sebsx_dnn_inference.absent import ABSENT  # loading a plugin costs nothing
    from sebsx_dnn_inference.builtin import ENGINES
    from sebsx_dnn_inference.compiled import Tvm
    from sebsx_dnn_inference.loading import LOADING

    return (*ENGINES, Tvm, *LOADING, *ABSENT)


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiment."""
    from sebsx_dnn_inference.experiment import DnnInference  # loading a plugin costs nothing

    return [DnnInference]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer."""
    from sebsx_dnn_inference.analyzer import DnnAnalyzer  # loading a plugin costs nothing

    return [DnnAnalyzer]


@hookimpl
def sebsx_register_recipes() -> Sequence[type[Recipe]]:
    """Return the recipes of the studies' tables."""
    from sebsx_dnn_inference.recipes import RECIPES  # loading a plugin costs nothing

    return RECIPES


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what a conversion took and what came out."""
    from sebsx.model.metrics import Better, Metric
    from sebsx_dnn_inference import experiment, reuse  # loading a plugin costs nothing

    return [
        Metric(experiment.CONVERSION, "s", meaning="converting a model for an engine, in a process of its own"),
        Metric(experiment.CONVERSION_PEAK, "bytes", meaning="most memory of that process"),
        Metric(experiment.CONVERTED, "bytes", meaning="size of the model as the engine loads it"),
        Metric(experiment.ORIGINAL, "bytes", better=Better.NEITHER, meaning="size of the model as it was given"),
        Metric(
            experiment.DIFFERENCE,
            "1",
            meaning="largest difference of the converted model's output, as a share of the largest value",
        ),
        Metric(reuse.REUSED, "1", better=Better.NEITHER, meaning="the run that measured a cell, where another did"),
        Metric(
            experiment.MULTIPLY_ADDS, "count", better=Better.NEITHER, meaning="of one item of a batch; papers: FLOPs"
        ),
    ]
