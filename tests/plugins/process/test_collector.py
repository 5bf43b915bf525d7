from __future__ import annotations

import importlib.util
import mmap
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sebsx_process
from sebsx.runtime.python.context import Call
from sebsx_process.collector import ProcessCollector

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def shipped() -> ModuleType:
    path = Path(sebsx_process.__file__).parent / "shipped" / "process.py"
    spec = importlib.util.spec_from_file_location("shipped_process", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_returns_exactly_the_metrics_it_registers(shipped: ModuleType) -> None:
    assert set(shipped.end(shipped.begin(Call()), Call())) == {metric.name for metric in ProcessCollector.metrics}


def test_own_work_is_counted_as_own(shipped: ModuleType) -> None:
    state = shipped.begin(Call())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    samples = shipped.end(state, Call())

    assert 0.08 <= samples["process.cpu_user_s"] + samples["process.cpu_system_s"] < 1.0
    assert samples["process.child_cpu_user_s"] + samples["process.child_cpu_system_s"] < 0.05


@pytest.mark.slow
def test_work_of_a_child_is_counted_as_the_child_s(shipped: ModuleType) -> None:
    work = "import time\nwhile time.process_time() < 0.15: pass"
    state = shipped.begin(Call())
    subprocess.run([sys.executable, "-I", "-S", "-c", work], check=True)
    samples = shipped.end(state, Call())

    assert samples["process.child_cpu_user_s"] + samples["process.child_cpu_system_s"] >= 0.1
    assert samples["process.voluntary_switches_count"] >= 1  # it waited for the child


@pytest.mark.slow
def test_touched_memory_is_seen_in_faults_and_peak(shipped: ModuleType) -> None:
    size = 64 * 2**20
    state = shipped.begin(Call())
    with mmap.mmap(-1, size) as data:  # memory that an allocator kept would have no faults
        for first in range(0, size, 4096):
            data[first] = 1
        samples = shipped.end(state, Call())

    assert samples["process.max_rss_bytes"] >= size
    assert samples["process.minor_faults_count"] > 20


def test_it_is_used_by_default_and_knows_two_languages() -> None:
    assert ProcessCollector.default
    assert b"def begin" in (ProcessCollector().source("python") or b"")
    assert b"exports.begin" in (ProcessCollector().source("nodejs") or b"")
    assert ProcessCollector().source("cobol") is None


def test_plugin_registers_it() -> None:
    from sebsx_process import plugin

    assert plugin.sebsx_register_collectors() == [ProcessCollector]


def test_calls_that_share_the_process_have_its_peak_alone(shipped: ModuleType) -> None:
    call = Call()
    state = shipped.begin(call)
    call.concurrent = 1

    assert set(shipped.end(state, call)) == {"process.max_rss_bytes", "process.overhead_s"}


REPLACED = """
import os, sys
data = bytearray(200 * 2**20)
data[::4096] = b"x" * len(data[::4096])
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", sys.argv[1]])
"""
MEASURED = """
import sys
sys.path.insert(0, {folder!r})
from resource import RUSAGE_SELF, getrusage
import process
class Call: concurrent = 0
peaks = []
for size in (0, 0, 300):
    state = process.begin(Call)
    data = bytearray(size * 2**20)
    data[::4096] = b"x" * len(data[::4096])
    peaks.append(process.end(state, Call)["process.max_rss_bytes"] // 2**20)
print(getrusage(RUSAGE_SELF).ru_maxrss // 1024, *peaks)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_peak_of_what_the_process_was_before_is_not_the_function_s() -> None:
    folder = str(Path(sebsx_process.__file__).parent / "shipped")
    words = [sys.executable, "-I", "-S", "-c", REPLACED, MEASURED.format(folder=folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    by_rusage, first, second, large = map(int, done.stdout.split())
    assert by_rusage >= 300
    assert first < 100
    assert second < 100
    assert 300 <= large < 400
