"""The published test kit: contracts that hold a plugin to what sebsx expects, fixtures and fakes.

    from sebsx.testing.contracts import PlatformContract

    class TestFly(PlatformContract):
        @pytest.fixture
        def platform(self, tmp_path):
            return FlyPlatform(FlySettings(), tmp_path)

A contract asks for one fixture: the plugin under test. The rest comes from the pytest plugin, which pytest finds
by itself. `sebsx.testing.fakes` has a platform in memory, for tests of experiments.
"""
