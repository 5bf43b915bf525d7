"""The collector `saaf`; what it ships lies in `shipped/`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.collectors import Collector
from sebsx.model.metrics import Better, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHIPPED = {"python": "saaf.py"}
# What grows: SAAF's name -> unit, meaning. Each comes as it stands after the call and as its `Delta` over the call.
_COUNTERS = {
    "cpuUser": ("s", "processor time in user mode"),
    "cpuNice": ("s", "processor time in user mode at low priority"),
    "cpuKernel": ("s", "processor time in the kernel"),
    "cpuIdle": ("s", "time in which processors had nothing to do"),
    "cpuIOWait": ("s", "idle time with input or output under way"),
    "cpuIrq": ("s", "processor time for interrupts"),
    "cpuSoftIrq": ("s", "processor time for deferred work of interrupts"),
    "cpuSteal": ("s", "time that the hypervisor gave to others"),
    "cpuGuest": ("s", "processor time for virtual machines of its own; contained in cpuUser"),
    "cpuGuestNice": ("s", "the same at low priority; contained in cpuNice"),
    "contextSwitches": ("count", "switches between threads"),
    "pageFaults": ("count", "page faults"),
    "majorPageFaults": ("count", "page faults that read from a disk"),
}


def _metrics() -> Iterator[Metric]:
    for name, (unit, meaning) in _COUNTERS.items():
        yield Metric(
            f"saaf.{name}_{unit}", unit, better=Better.NEITHER, meaning=f"{meaning}, since boot or the group's start"
        )
        yield Metric(f"saaf.{name}Delta_{unit}", unit, meaning=f"{meaning}, during the call")
    yield Metric(
        "saaf.totalMemory_bytes", "bytes", better=Better.NEITHER, meaning="memory of the sandbox's machine or group"
    )
    yield Metric("saaf.freeMemory_bytes", "bytes", better=Better.HIGHER, meaning="of that, unused after the call")
    yield Metric("saaf.usedMemory_bytes", "bytes", meaning="of that, used after the call, caches included")
    yield Metric("saaf.runtime_s", "s", meaning="handler and collector together")
    yield Metric("saaf.userRuntime_s", "s", meaning="handler alone, as the collector sees it")
    yield Metric("saaf.frameworkRuntime_s", "s", meaning="the collector alone; the same as saaf.overhead_s")
    yield Metric(
        "saaf.availableCPUs_count", "count", better=Better.NEITHER, meaning="processors whose times are counted"
    )
    yield Metric(
        "saaf.utilizedCPUs_count", "count", better=Better.NEITHER, meaning="processors busy on average during the call"
    )
    yield Metric("saaf.newcontainer_1", "1", better=Better.NEITHER, meaning="1 for the first call of a sandbox, else 0")
    yield Metric("saaf.foreignCpu_s", "s", meaning="processor time in the call that was not the function's own")
    yield Metric(
        "saaf.accounting_error_1", "1", meaning="how far wall = sum of times / processors is missed; wrong above 5 %"
    )
    yield Metric("saaf.overhead_s", "s", meaning="what the collector itself took, before and after the handler")


class SaafCollector(Collector):
    """Reads /proc/stat, /proc/vmstat, /proc/meminfo and the control group before and after the handler."""

    name = "saaf"
    summary = "CPU time accounting, faults, switches and memory in SAAF's names; under a millisecond per call"
    metrics: ClassVar[Sequence[Metric]] = tuple(_metrics())

    def source(self, language: str) -> bytes | None:
        """Return the module for a language."""
        name = _SHIPPED.get(language)
        return None if name is None else (files("sebsx_saaf") / "shipped" / name).read_bytes()
