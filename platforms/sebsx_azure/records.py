"""Reads what Application Insights keeps of requests: how long a function ran, and on which instance."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.clouds.records import LateRecords
from sebsx.errors import PlatformError
from sebsx.model import ProviderRecord, Status
from sebsx_azure.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sebsx_azure.clients import AzureClients

logger = logging.getLogger(__name__)

_QUERY = """\
AppRequests
| where AppRoleName =~ '{app}' and TimeGenerated >= datetime({since})
| project TimeGenerated, DurationMs, ResultCode, ItemCount, InvocationId = tostring(Properties.InvocationId), \
ExecutionMs = todouble(Properties.FunctionExecutionTimeMs), Instance = tostring(Properties.HostInstanceId)
| order by TimeGenerated asc"""
_THROTTLED = "429"


class RequestRecords(LateRecords):
    """Records of functions by the id of each invocation.

    What is billed is the time of instances, which invocations share: the log does not tell it.

    Args:
        clients: Ask Azure Monitor.
        workspace: Returns the id of the workspace that the run's apps tell of their requests.
    """

    late_s: ClassVar[float] = 900.0  # instances send by themselves, and some much later than others

    def __init__(self, clients: AzureClients, workspace: Callable[[], str]) -> None:
        super().__init__()
        self._clients = clients
        self._workspace = workspace
        self._id = ""

    def lines(self, function: str, since_s: float) -> Iterator[tuple[float, ProviderRecord | None]]:
        """Yield the requests of an app."""
        self._id = self._id or self._workspace()
        since = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with ERRORS.explained(f"read of the log of {function!r}"):
            told = self._clients.logs.query_workspace(self._id, _QUERY.format(app=function, since=since), timespan=None)
        for table in getattr(told, "tables", None) or getattr(told, "partial_data", None) or ():
            for row in table.rows:
                yield self._read(dict(zip(table.columns, row, strict=True)))
        if error := getattr(told, "partial_error", None):
            raise PlatformError(f"read of the log of {function!r}: only a part came: {ERRORS.clean(str(error))}")

    def _read(self, row: dict[str, Any]) -> tuple[float, ProviderRecord | None]:
        at_s = row["TimeGenerated"].timestamp()
        if int(row["ItemCount"] or 1) > 1:
            logger.warning("Application Insights kept one of %s requests: sampling is on", row["ItemCount"])
        if not row["InvocationId"]:
            return at_s, None
        took_ms = row["ExecutionMs"] if row["ExecutionMs"] is not None else row["DurationMs"]
        record = ProviderRecord(
            row["InvocationId"],
            duration_s=None if took_ms is None else float(took_ms) / 1000,
            status=Status.THROTTLED if row["ResultCode"] == _THROTTLED else None,
            evidence={"instance": row["Instance"]} if row["Instance"] else {},
        )
        return at_s, record
