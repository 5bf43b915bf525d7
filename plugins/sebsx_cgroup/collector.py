"""The collector `cgroup`; what it ships lies in `shipped/`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.collectors import Collector
from sebsx.model.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHIPPED = {"python": "cgroup.py"}


class CgroupCollector(Collector):
    """Reads the files of the sandbox's control group, version 1 or 2, before and after the handler."""

    name = "cgroup"
    summary = "processor time, throttling, memory peak and I/O of the control group; under a millisecond per call"
    metrics: ClassVar[Sequence[Metric]] = (
        Metric("cgroup.cpu_usage_s", "s", meaning="processor time of the group during the call"),
        Metric("cgroup.cpu_user_s", "s", meaning="of that, in user mode"),
        Metric("cgroup.cpu_system_s", "s", meaning="of that, in the kernel"),
        Metric("cgroup.periods_count", "count", meaning="enforcement periods of the processor limit in the call"),
        Metric("cgroup.throttled_periods_count", "count", meaning="of those, periods in which the limit was hit"),
        Metric("cgroup.throttled_s", "s", meaning="time for which the limit held threads up, over all processors"),
        Metric("cgroup.minor_faults_count", "count", meaning="page faults of the group, major ones included"),
        Metric("cgroup.major_faults_count", "count", meaning="page faults that read from a disk"),
        Metric("cgroup.memory_bytes", "bytes", meaning="memory of the group after the call, caches included"),
        Metric("cgroup.memory_peak_bytes", "bytes", meaning="peak memory of the group so far, caches included"),
        Metric("cgroup.io_read_bytes", "bytes", meaning="bytes read from block devices during the call"),
        Metric("cgroup.io_write_bytes", "bytes", meaning="bytes written to block devices during the call"),
        Metric("cgroup.io_reads_count", "count", meaning="reads of block devices during the call"),
        Metric("cgroup.io_writes_count", "count", meaning="writes to block devices during the call"),
        Metric("cgroup.overhead_s", "s", meaning="what the collector itself took, before and after the handler"),
    )

    def source(self, language: str) -> bytes | None:
        """Return the module for a language."""
        name = _SHIPPED.get(language)
        return None if name is None else (files("sebsx_cgroup") / "shipped" / name).read_bytes()
