"""Reads the records that Lambda writes into the log groups of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.clouds.records import LateRecords
from sebsx_aws import loglines
from sebsx_aws.clients import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.model import ProviderRecord
    from sebsx_aws.clients import Clients

_PATTERNS = {"text": '"REPORT RequestId"', "json": '{ $.type = "platform.report" }'}


def log_group(function: str) -> str:
    """Return the name of the log group that Lambda writes to for a function."""
    return f"/aws/lambda/{function}"


class LogReports(LateRecords):
    """Records of functions, as they come into their log groups.

    Args:
        clients: Ask CloudWatch.
        log_format: `text` or `json`, as functions are set to log.
    """

    def __init__(self, clients: Clients, log_format: str) -> None:
        super().__init__()
        self._clients = clients
        self._pattern = _PATTERNS[log_format]

    def lines(self, function: str, since_s: float) -> Iterator[tuple[float, ProviderRecord | None]]:
        """Yield the reports of a function's log group."""
        group = log_group(function)
        with explained(f"read of log group {group!r}"):
            pages = self._clients.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, filterPattern=self._pattern, startTime=int(since_s * 1000)
            )
            for event in (event for page in pages for event in page["events"]):
                yield int(event["timestamp"]) / 1000, loglines.read_line(event["message"])
