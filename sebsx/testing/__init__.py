"""The published test kit: contracts that hold a plugin to what sebsx expects, fixtures and fakes.

    from sebsx.testing.contracts import PlatformContract

    class TestFly(PlatformContract):
        @pytest.fixture
        def platform(self, context_for):
            return FlyPlatform(FlySettings(), context_for(FlyPlatform))

A contract asks for one fixture: the plugin under test. The rest comes from the pytest plugin, which pytest finds
by itself. `sebsx.testing.fakes` has a platform in memory, for tests of experiments.
"""

from __future__ import annotations

from pathlib import Path


def echo_folder() -> Path:
    """Return the folder of the benchmark `echo`, whose function does what the event asks."""
    return Path(__file__).parent / "echo"
