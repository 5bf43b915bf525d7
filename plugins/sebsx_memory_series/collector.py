"""The collector `memory-series`; what it ships lies in `shipped/`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.collectors import Collector
from sebsx.model.metrics import Better, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHIPPED = {"python": "memory_series.py"}
_KINDS = {
    "rss": "resident memory",
    "pss": "resident memory, shared pages divided among those who share them",
    "uss": "resident memory of this process alone",
}


def _metrics() -> Iterator[Metric]:
    for kind, meaning in _KINDS.items():
        yield Metric(f"memory-series.{kind}_peak_bytes", "bytes", meaning=f"{meaning}: largest during the call")
        yield Metric(f"memory-series.{kind}_mean_bytes", "bytes", meaning=f"{meaning}: mean over the time of the call")
        yield Metric(f"memory-series.phase_*_{kind}_peak_bytes", "bytes", meaning=f"{meaning}: largest in a phase")
    yield Metric("memory-series.points_count", "count", better=Better.NEITHER, meaning="points taken during the call")
    yield Metric(
        "memory-series.series", "json", better=Better.NEITHER, meaning="all points and phases, as text of a run_value"
    )
    yield Metric("memory-series.overhead_s", "s", meaning="what the collector itself took, its points included")


class MemorySeriesCollector(Collector):
    """Samples /proc/self/smaps_rollup in a thread while the handler runs."""

    name = "memory-series"
    summary = "RSS, PSS and USS every 20 ms with phase marks; a thread that rests 20 times as long as it works"
    metrics: ClassVar[Sequence[Metric]] = tuple(_metrics())

    def source(self, language: str) -> bytes | None:
        """Return the module for a language."""
        name = _SHIPPED.get(language)
        return None if name is None else (files("sebsx_memory_series") / "shipped" / name).read_bytes()
