"""One CSV file in the names and units of the Serverless Application Analytics Framework, as FaaS Runner has them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx_export.csv_file import fields, line
from sebsx_export.rows import Provenance, needed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page

_PREFIX = "saaf."
_MS, _KB = 1e3, 1 / 1024
_TIMES = (
    "cpuUser", "cpuNice", "cpuKernel", "cpuIdle", "cpuIOWait", "cpuIrq", "cpuSoftIrq", "cpuSteal", "cpuGuest",
    "cpuGuestNice",
)  # fmt: skip
_COUNTS = ("contextSwitches", "pageFaults", "majorPageFaults")
# SAAF's attribute: our sample, and its units in one of ours. There are milliseconds, kB and counts.
_ATTRIBUTES = {
    **{name + ending: (f"{_PREFIX}{name}{ending}_s", _MS) for ending in ("", "Delta") for name in _TIMES},
    **{name + ending: (f"{_PREFIX}{name}{ending}_count", 1.0) for ending in ("", "Delta") for name in _COUNTS},
    **{name: (f"{_PREFIX}{name}_bytes", _KB) for name in ("totalMemory", "freeMemory", "usedMemory")},
    **{name: (f"{_PREFIX}{name}_s", _MS) for name in ("runtime", "userRuntime", "frameworkRuntime")},
    "cpuCores": (f"{_PREFIX}availableCPUs_count", 1.0),
    "availableCPUs": (f"{_PREFIX}availableCPUs_count", 1.0),
    "utilizedCPUs": (f"{_PREFIX}utilizedCPUs_count", 1.0),
    "newcontainer": (f"{_PREFIX}newcontainer_1", 1.0),
}
# SAAF's attribute: a column of the view, and its units in one of that.
_OF_ROWS = {
    "sequence": ("sequence", 0.0), "kind": ("kind", 0.0), "status": ("status", 0.0), "start_type": ("start_type", 0.0),
    "containerID": ("sandbox_id", 0.0), "error": ("error", 0.0), "startTime": ("function_started_s", _MS),
    "endTime": ("function_finished_s", _MS), "roundTripTime": ("client_latency_s", _MS),
}  # fmt: skip
_OF_GROUPS = (
    "runID", "run_started_at", "git_commit", "invalid", "functionName", "step", "campaign", "side", "platform",
    "functionRegion", "architecture", "functionMemory", "emulated", "lang",
)  # fmt: skip


class SaafExporter(Exporter):
    """A line per invocation with the attributes of SAAF: milliseconds, kB and counts, failed and warm-up calls too.

    `frameworkRuntime` is all that the collector took, so that there is no `frameworkRuntimeDeltas`; `cpuCores` is the
    number of processors that the times are of.
    """

    name: ClassVar[str] = "saaf"
    summary: ClassVar[str] = "raw: one line per invocation in SAAF's names and units, for tools that read FaaS Runner's"
    suffix: ClassVar[str] = ".csv"

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file; it replaces an older one only when it is complete."""
        needed(runs)
        with replacing(destination) as part, part.open("wb") as file:
            file.write(f"{line([*_OF_GROUPS, *_OF_ROWS, *_ATTRIBUTES])}\n".encode())
            for run in runs:
                emulated = {item.id: bool(item.effective.get("emulated")) for item in run.deployments()}
                file.writelines(run.map_pages(partial(_lines, Provenance.of(run, {}), emulated)))
        return [destination]


def _lines(provenance: Provenance, emulated: Mapping[int, bool], page: Page) -> bytes:
    """Return the lines of a page."""
    shared = [line(_of_group(group, provenance, emulated)) for group in page.shared]
    missing: list[Any] = [None] * len(page.groups)
    columns = [[shared[group] for group in page.groups]]
    columns += [fields(_in_units(page.own[name], factor)) for name, factor in _OF_ROWS.values()]
    columns += [fields(_in_units(page.samples.get(name, missing), factor)) for name, factor in _ATTRIBUTES.values()]
    return "".join([f"{','.join(row)}\n" for row in zip(*columns, strict=True)]).encode()


def _of_group(group: Mapping[str, Any], provenance: Provenance, emulated: Mapping[int, bool]) -> list[Any]:
    levels = group["factors"]
    return [
        group["run"], provenance.started_at, provenance.commit, provenance.invalid.get(group["cell_id"]),
        group["benchmark"], levels.get("size") or group["size"], levels.get("campaign") or group["campaign"],
        levels.get("side"), group["platform"], group["region"], group["architecture"], group["memory_mib"],
        int(emulated.get(group["deployment_id"], False)), group["language"],
    ]  # fmt: skip


def _in_units(column: Sequence[Any], factor: float) -> Sequence[Any]:
    """Return numbers in SAAF's units, to the microsecond; words as they are, and no number where there is none."""
    if not factor:
        return column
    return [
        None if value is None or value != value else round(value * factor, 3)  # not a number
        for value in column
    ]
