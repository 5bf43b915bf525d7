"""The collector `process`; what it ships lies in `shipped/`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.collectors import Collector
from sebsx.model.metrics import Better, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHIPPED = {"python": "process.py", "nodejs": "process.cjs"}


class ProcessCollector(Collector):
    """Reads `getrusage` before and after the handler, for the process and for the children it waited for."""

    name = "process"
    summary = "CPU time, faults, context switches and peak memory by getrusage; a few microseconds per call"
    default = True
    metrics: ClassVar[Sequence[Metric]] = (
        Metric("process.cpu_user_s", "s", meaning="processor time in user mode during the call"),
        Metric("process.cpu_system_s", "s", meaning="processor time in the kernel during the call"),
        Metric("process.child_cpu_user_s", "s", meaning="the same of child processes that were waited for"),
        Metric("process.child_cpu_system_s", "s", meaning="the same of child processes that were waited for"),
        Metric("process.minor_faults_count", "count", meaning="page faults served without a disk"),
        Metric("process.major_faults_count", "count", meaning="page faults that read from a disk"),
        Metric("process.voluntary_switches_count", "count", meaning="times the process waited"),
        Metric("process.involuntary_switches_count", "count", meaning="times the process was interrupted"),
        Metric(
            "process.max_rss_bytes",
            "bytes",
            better=Better.LOWER,
            meaning="peak resident memory of the function's process so far",
        ),
        Metric("process.overhead_s", "s", meaning="what the collector itself took, before and after the handler"),
    )

    def source(self, language: str) -> bytes | None:
        """Return the module for a language."""
        name = _SHIPPED.get(language)
        return None if name is None else (files("sebsx_process") / "shipped" / name).read_bytes()
