"""Contracts as pytest classes: subclass one, override the fixture that gives your plugin, and run pytest."""

from __future__ import annotations

from sebsx.testing.contracts.analyzers import AnalyzerContract
from sebsx.testing.contracts.benchmarks import BenchmarkContract
from sebsx.testing.contracts.collectors import CollectorContract
from sebsx.testing.contracts.experiments import ExperimentContract
from sebsx.testing.contracts.exporters import ExporterContract
from sebsx.testing.contracts.languages import LanguageContract
from sebsx.testing.contracts.platforms import PlatformContract
from sebsx.testing.contracts.storage import StorageContract

__all__ = [
    "AnalyzerContract",
    "BenchmarkContract",
    "CollectorContract",
    "ExperimentContract",
    "ExporterContract",
    "LanguageContract",
    "PlatformContract",
    "StorageContract",
]
