"""Registers the collector `cgroup`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from sebsx.contracts.collectors import Collector


@hookimpl
def sebsx_register_collectors() -> list[type[Collector]]:
    """Return the collector."""
    from sebsx_cgroup.collector import CgroupCollector

    return [CgroupCollector]
