"""Reads the records that Lambda writes into the log groups of functions."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sebsx.clouds.pages import each_page
from sebsx.clouds.records import LateRecords
from sebsx.clouds.s3 import create_once
from sebsx.errors import PlatformError
from sebsx_aws import loglines
from sebsx_aws.errors import ERRORS
from sebsx_aws.resources import LOG_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import ProviderRecord
    from sebsx_aws.clients import Clients

# The last part of a log stream's name: 2026/11/30/[VERSION]0123456789abcdef0123456789abcdef.
_SANDBOX = re.compile(r"\]([0-9a-f]{32})$")
_PATTERNS = {"text": '"REPORT RequestId"', "json": '{ $.type = "platform.report" }'}


def log_group(function: str) -> str:
    """Return the name of the log group that Lambda writes to for a function."""
    return f"/aws/lambda/{function}"


def make_log_group(clients: Clients, context: PlatformContext, function: str) -> None:
    """Make the log group of a function, which Lambda would make without our tags and keep for ever."""
    group = log_group(function)
    with context.ledger.creating(LOG_GROUP, group, clients.region), ERRORS.explained(f"create of log group {group!r}"):
        create = partial(clients.logs.create_log_group, logGroupName=group, tags=dict(context.tags))
        create_once(create, "ResourceAlreadyExistsException")
        clients.logs.put_retention_policy(logGroupName=group, retentionInDays=1)


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
        for at_s, _, record in self.reports(log_group(function), since_s):
            yield at_s, record

    def reports(self, group: str, since_s: float) -> Iterator[tuple[float, str, ProviderRecord | None]]:
        """Yield the reports of a log group, each with the name of its log stream."""
        with ERRORS.explained(f"read of log group {group!r}"):
            pages = self._clients.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, filterPattern=self._pattern, startTime=int(since_s * 1000)
            )
            for page in each_page(f"read of log group {group!r}", pages, lambda page: page.get("nextToken")):
                for event in page["events"]:
                    record = loglines.read_line(event["message"])
                    yield int(event["timestamp"]) / 1000, str(event.get("logStreamName", "")), record


class SandboxReports(LogReports):
    """Reports of functions whose answers name no sandbox: each has a log stream of its own, which Lambda numbers.

    A function is named by its log group here.
    """

    def lines(self, function: str, since_s: float) -> Iterator[tuple[float, ProviderRecord | None]]:
        """Yield the reports of a log group with the sandbox that wrote each; none where there is no group yet."""
        try:
            for at_s, stream, record in self.reports(function, since_s):
                sandbox = _SANDBOX.search(stream)
                yield at_s, replace(record, sandbox_id=sandbox[1]) if record and sandbox else record
        except PlatformError as exc:
            if not ERRORS.is_gone(exc):
                raise
