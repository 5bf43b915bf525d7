from __future__ import annotations

import mmap
import time
from types import ModuleType

import pytest

from sebsx.runtime.python.context import Call, Phase
from sebsx_memory_series.collector import MemorySeriesCollector
from tests.support import load_shipped

MIB = 2**20


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_shipped(monkeypatch, "sebsx_memory_series", "memory_series")
    # The process of the tests is large and the machine may be busy: a point may take long, and the pauses grow with it.
    monkeypatch.setattr(module, "LARGEST_SHARE", 0.5)
    return module


def touched(size: int) -> mmap.mmap:
    """Return memory that goes back to the kernel when it is closed, whatever the allocator keeps."""
    data = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    data[::4096] = b"x" * (size // 4096)
    return data


def wait_for_points(sampler: object, count: int) -> None:
    end = time.monotonic() + 120
    while len(sampler.points) < count:  # type: ignore[attr-defined]
        assert time.monotonic() < end, "no point is taken"
        time.sleep(0.005)


@pytest.mark.slow
def test_memory_that_comes_and_goes_is_seen_in_the_series(shipped: ModuleType) -> None:
    call = Call()
    state = shipped.begin(call)
    data = touched(64 * MIB)
    wait_for_points(state[0], len(state[0].points) + 2)
    data.close()
    samples = shipped.end(state, call)
    series = samples["memory-series.series"]
    assert samples["memory-series.uss_peak_bytes"] >= series["uss_bytes"][0] + 60 * MIB
    assert series["uss_bytes"][-1] < samples["memory-series.uss_peak_bytes"] - 60 * MIB
    assert series["t_s"] == sorted(series["t_s"])
    assert samples["memory-series.points_count"] == len(series["t_s"]) == len(series["rss_bytes"]) >= 4
    for kind in ("rss", "pss", "uss"):
        mean = samples[f"memory-series.{kind}_mean_bytes"]
        assert min(series[f"{kind}_bytes"]) <= mean <= samples[f"memory-series.{kind}_peak_bytes"]


@pytest.mark.slow
def test_peak_of_each_phase_is_its_own(shipped: ModuleType) -> None:
    samples: dict[str, float] = {}
    call = Call()
    state = shipped.begin(call)
    with Phase(samples, "phase.load_s", call):
        data = touched(48 * MIB)
        wait_for_points(state[0], len(state[0].points) + 2)
    data.close()
    with Phase(samples, "phase.compute_s", call):
        wait_for_points(state[0], len(state[0].points) + 2)
    found = shipped.end(state, call)
    load, compute = (found[f"memory-series.phase_{name}_uss_peak_bytes"] for name in ("load", "compute"))
    assert load > compute + 40 * MIB
    assert [name for name, _, _ in found["memory-series.series"]["phases"]] == ["load", "compute"]
    assert set(samples) == {"phase.load_s", "phase.compute_s"}


def test_nested_and_open_phases() -> None:
    module = pytest.MonkeyPatch()
    shipped = load_shipped(module, "sebsx_memory_series", "memory_series")
    marks = [("a", True, 0.0), ("b", True, 1.0), ("b", False, 2.0), ("a", False, 3.0), ("c", True, 4.0)]
    assert shipped.intervals(marks) == [("b", 1.0, 2.0), ("a", 0.0, 3.0)]
    module.undo()


def test_figures_are_those_of_the_kernel_s_text(shipped: ModuleType) -> None:
    text = (
        b"5630281e7000-7ffdc5495000 ---p 00000000 00:00 0                          [rollup]\n"
        b"Rss:                1756 kB\nPss:                 233 kB\nShared_Clean:       1600 kB\n"
        b"Private_Clean:        40 kB\nPrivate_Dirty:       116 kB\n"
    )
    assert shipped.parse(text) == (1756 * 1024, 233 * 1024, 156 * 1024)


def test_mean_weighs_points_by_the_time_they_stand(shipped: ModuleType) -> None:
    # 100 for one second, 200 for three: 700 / 4.
    assert shipped.mean([(0.0, 100), (1.0, 200), (4.0, 999)], 1) == 175


def test_long_calls_keep_a_bounded_series(shipped: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "MOST_POINTS", 8)
    sampler = shipped.Sampler()
    for _ in range(9):
        sampler.take()
    assert len(sampler.points) == 5
    assert sampler._interval_s == 2 * shipped.INTERVAL_S
    sampler._file.close()


def test_it_says_what_it_measures() -> None:
    assert not MemorySeriesCollector.default
    assert MemorySeriesCollector().source("cobol") is None


def test_calls_that_share_the_process_have_no_figures_of_it(shipped: ModuleType) -> None:
    first, second = Call(), Call()
    state = shipped.begin(first)
    first.concurrent = second.concurrent = 1

    late = shipped.begin(second)

    assert late is None  # the process is not sampled twice
    assert set(shipped.end(late, second)) == {"memory-series.overhead_s"}
    assert set(shipped.end(state, first)) == {"memory-series.overhead_s"}
    assert not state[0].is_alive()
