"""Holds the template's plugins to the contracts that sebsx publishes."""

from __future__ import annotations

import pytest
from sebsx_template.analyzer import FailuresAnalyzer
from sebsx_template.backend import OneShotPlatform, OneShotSettings

from sebsx.testing.contracts import AnalyzerContract, BenchmarkContract, PlatformContract


class TestOneShot(PlatformContract):
    @pytest.fixture
    def platform(self, context_for):
        return OneShotPlatform(OneShotSettings(), context_for(OneShotPlatform))


class TestPrimes(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, sebsx_registry):
        return sebsx_registry.get("benchmarks", "primes")


class TestFailures(AnalyzerContract):
    @pytest.fixture
    def analyzer(self):
        return FailuresAnalyzer()
