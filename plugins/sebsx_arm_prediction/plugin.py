"""Registers what predicts run times on another processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.commands import Command
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.recipes import Recipe
    from sebsx.model.metrics import Metric


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the campaign."""
    from sebsx_arm_prediction.experiment import ArmPrediction  # loading a plugin costs nothing

    return [ArmPrediction]


@hookimpl
def sebsx_register_metrics() -> Sequence[Metric]:
    """Return what a campaign stores beside its samples."""
    from sebsx.model.metrics import Better, Metric  # loading a plugin costs nothing
    from sebsx_arm_prediction.steps import STEPS_METRIC

    return [
        Metric(
            STEPS_METRIC,
            "json",
            better=Better.NEITHER,
            meaning="which values of a benchmark's parameter the 40 steps of a campaign are",
        )
    ]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzer of a campaign."""
    from sebsx_arm_prediction.analyzer import ArmPredictionAnalyzer  # loading a plugin costs nothing

    return [ArmPredictionAnalyzer]


@hookimpl
def sebsx_register_commands() -> Sequence[type[Command[Any]]]:
    """Return `sebsx predict arm`, `train` and `models`, and `sebsx import saaf`."""
    from sebsx_arm_prediction.commands import PredictArm, PredictModels, PredictTrain  # loading a plugin costs nothing
    from sebsx_arm_prediction.importing import ImportSaaf

    return [PredictArm, PredictTrain, PredictModels, ImportSaaf]


@hookimpl
def sebsx_register_recipes() -> Sequence[type[Recipe]]:
    """Return the study's tables."""
    from sebsx_arm_prediction.recipe import ArmTable3  # loading a plugin costs nothing

    return [ArmTable3]
