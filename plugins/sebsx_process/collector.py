"""The collector `process`; what it ships lies in `shipped/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sebsx.collectors import Collector
from sebsx.metrics import Better, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ProcessCollector(Collector):
    """Reads `getrusage` before and after the handler, for the process and for the children it waited for."""

    name = "process"
    summary = "CPU time, faults, context switches and peak memory by getrusage; a few microseconds per call"
    default = True
    shipped: ClassVar[Mapping[str, str]] = {"python": "process.py", "nodejs": "process.cjs"}
    metrics: ClassVar[Sequence[Metric]] = (
        Metric("process.cpu_user_s", "s", meaning="processor time in user mode during the call"),
        Metric("process.cpu_system_s", "s", meaning="processor time in the kernel during the call"),
        Metric("process.child_cpu_user_s", "s", meaning="the same of child processes that were waited for"),
        Metric("process.child_cpu_system_s", "s", meaning="the same of child processes that were waited for"),
        Metric("process.minor_faults_count", "count", meaning="page faults served without a disk"),
        Metric("process.major_faults_count", "count", meaning="page faults that read from a disk"),
        Metric("process.voluntary_switches_count", "count", meaning="times the process waited"),
        Metric("process.involuntary_switches_count", "count", meaning="times the process was interrupted"),
        Metric("process.max_rss_bytes", "bytes", Better.LOWER, "peak resident memory of the sandbox so far"),
        Metric("process.overhead_s", "s", meaning="what the collector itself took, before and after the handler"),
    )
