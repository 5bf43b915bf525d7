"""Contracts as pytest classes: subclass one, override the fixture that gives your plugin, and run pytest."""

from __future__ import annotations

from sebsx.testing.contracts.analyzers import AnalyzerContract
from sebsx.testing.contracts.benchmarks import BenchmarkContract
from sebsx.testing.contracts.channels import ChannelContract
from sebsx.testing.contracts.collectors import CollectorContract
from sebsx.testing.contracts.commands import CommandContract
from sebsx.testing.contracts.experiments import ExperimentContract
from sebsx.testing.contracts.exporters import ExporterContract
from sebsx.testing.contracts.languages import LanguageContract
from sebsx.testing.contracts.platforms import PlatformContract
from sebsx.testing.contracts.pricelists import PricelistContract
from sebsx.testing.contracts.recipes import RecipeContract
from sebsx.testing.contracts.storage import StorageContract

__all__ = [
    "AnalyzerContract",
    "BenchmarkContract",
    "ChannelContract",
    "CollectorContract",
    "CommandContract",
    "ExperimentContract",
    "ExporterContract",
    "LanguageContract",
    "PlatformContract",
    "PricelistContract",
    "RecipeContract",
    "StorageContract",
]
