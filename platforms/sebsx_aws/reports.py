"""Reads the records that Lambda writes into the log groups of functions."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sebsx_aws import loglines
from sebsx_aws.clients import explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import ProviderRecord
    from sebsx_aws.clients import Clients

logger = logging.getLogger(__name__)

# How far log lines may be out of order: what is older than the newest one by this is not read again.
_LATE_MS = 120_000
_PATTERNS = {"text": '"REPORT RequestId"', "json": '{ $.type = "platform.report" }'}


def log_group(function: str) -> str:
    """Return the name of the log group that Lambda writes to for a function."""
    return f"/aws/lambda/{function}"


@dataclass
class Reports:
    """What was read from a function's log group so far."""

    found: dict[str, ProviderRecord] = field(default_factory=dict)
    newest_ms: int = 0
    missing: int = 0  # of those that were asked for last
    doubtful: set[str] = field(default_factory=set)

    def add(self, record: ProviderRecord) -> None:
        """Take a report; of several for one request that differ, a function wrote some, and none is believed."""
        if self.found.setdefault(record.request_id, record) != record:
            self.doubtful.add(record.request_id)
            logger.warning("several reports of request %s differ: none is believed", record.request_id)
        if record.request_id in self.doubtful:
            del self.found[record.request_id]


class LogReports:
    """Records of functions, as they come into their log groups.

    Args:
        clients: Ask CloudWatch.
        log_format: `text` or `json`, as functions are set to log.
    """

    def __init__(self, clients: Clients, log_format: str) -> None:
        self._clients = clients
        self._pattern = _PATTERNS[log_format]
        self._by_function: dict[str, Reports] = defaultdict(Reports)

    def read(self, function: str, wanted: set[str]) -> Mapping[str, ProviderRecord]:
        """Return those records of some invocations that have come by now, by request id."""
        reports = self._by_function[function]
        if not wanted <= reports.found.keys():
            self._add_new(function, reports)
        reports.missing = len(wanted - reports.found.keys())
        return {key: reports.found[key] for key in wanted & reports.found.keys()}

    def end(self, function: str) -> bool:
        """Forget a function, and return whether records that were asked for are still to come."""
        reports = self._by_function.pop(function, None)
        return reports is not None and reports.missing > 0

    def _add_new(self, function: str, reports: Reports) -> None:
        """Add the records that came into a function's log group since it was read last."""
        group = log_group(function)
        with explained(f"read of log group {group!r}"):
            pages = self._clients.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group,
                filterPattern=self._pattern,
                startTime=max(0, reports.newest_ms - _LATE_MS),
            )
            for event in (event for page in pages for event in page["events"]):
                reports.newest_ms = max(reports.newest_ms, int(event["timestamp"]))
                if (record := loglines.read_line(event["message"])) is not None:
                    reports.add(record)
