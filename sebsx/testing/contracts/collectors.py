"""The contract of a collector: its shipped code runs alone and returns what it registered."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sebsx.testing.contracts import metadata

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.contracts.collectors import Collector
    from sebsx.plugins import Registry

# What no reading of a few kernel files takes, even on a busy machine.
_GENEROUS_S = 0.5

_RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import subject
from sebsx_runtime.context import Call
call = Call()
state = subject.begin(call)
sum(range(100000))
samples = subject.end(state, call)
shared = Call()
state = subject.begin(shared)
shared.concurrent = 1
with_others = subject.end(state, shared)
facts = subject.facts() if hasattr(subject, "facts") else {}
print(json.dumps([samples, with_others, facts], allow_nan=False))
"""


class CollectorContract:
    """Every collector: override the fixture `collector`."""

    @pytest.fixture
    def collector(self) -> Collector:
        """Return the collector under test."""
        raise NotImplementedError("override the fixture 'collector'")

    def test_metadata_is_complete(self, collector: Collector) -> None:
        metadata.check_words(type(collector))
        assert collector.metrics, "a collector that registers no metric measures nothing"
        for metric in collector.metrics:
            assert metric.name.startswith(f"{collector.name}."), f"metric {metric.name!r} is not named after it"
            assert metric.meaning, f"metric {metric.name!r} says not what it means"

    def test_unknown_language_has_no_source(self, collector: Collector) -> None:
        assert collector.source("no-such-language") is None

    def test_python_code_runs_alone_and_returns_registered_metrics(
        self, collector: Collector, sebsx_registry: Registry, tmp_path: Path
    ) -> None:
        source = collector.source("python")
        if source is None:
            pytest.skip(f"collector {collector.name!r} has no code in python")
        (tmp_path / "subject.py").write_bytes(source)
        for name, code in sebsx_registry.get("languages", "python")().runtime_files().items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(code)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _RUN, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        samples, shared, facts = json.loads(done.stdout)
        known = {metric.name for metric in collector.metrics}
        assert samples, "end() returned nothing"
        assert samples.keys() <= known, f"not registered: {', '.join(sorted(samples.keys() - known))}"
        for name, value in samples.items():
            assert isinstance(value, int | float | dict), f"{name} is {value!r}: neither a number nor a series"
        assert 0 <= samples[f"{collector.name}.overhead_s"] < _GENEROUS_S, "its own overhead is beyond reason"
        assert shared.keys() <= known, "a call that shares the process has other metrics"
        assert f"{collector.name}.overhead_s" in shared
        assert isinstance(facts, dict)
