"""Registers the experiments perf-cost and selftest, their analyzers, and the command of the latter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer
    from sebsx.contracts.commands import Command
    from sebsx.contracts.experiments import Experiment


@hookimpl
def sebsx_register_experiments() -> Sequence[type[Experiment[Any]]]:
    """Return the experiments."""
    from sebsx_perf_cost.experiment import PerfCost  # loading a plugin costs nothing
    from sebsx_perf_cost.selftest.experiment import SelfTest

    return [PerfCost, SelfTest]


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzers."""
    from sebsx_perf_cost.analyzer import PerfCostAnalyzer  # loading a plugin costs nothing
    from sebsx_perf_cost.selftest.analyzer import SelfTestAnalyzer

    return [PerfCostAnalyzer, SelfTestAnalyzer]


@hookimpl
def sebsx_register_commands() -> Sequence[type[Command[Any]]]:
    """Return `sebsx selftest`."""
    from sebsx_perf_cost.selftest.command import SelfTestCommand  # loading a plugin costs nothing

    return [SelfTestCommand]
