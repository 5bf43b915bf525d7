"""Reads what Cloud Run logs: how long a request took, on which instance, and how that started."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sebsx.clouds.records import LateRecords
from sebsx.model import ProviderRecord, StartType, Status
from sebsx_gcp.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx_gcp.clients import GcpClients

_OF_CALLS = "run.googleapis.com%2Frequests", "run.googleapis.com%2Fvarlog%2Fsystem"
_OF_FUNCTION = "run.googleapis.com%2Fstdout", "run.googleapis.com%2Fstderr"
_PAGE = 1000  # entries, the most that one answer holds
_STARTING, _MEMORY = "Starting new instance", "Memory limit of"
_STATUS = {429: Status.THROTTLED, 504: Status.TIMEOUT}


@dataclass
class _Instances:
    """What is known of the instances of one function.

    Args:
        started_s: When each was started.
        killed_s: When each was killed for want of memory.
        answered_s: When each had answered first.
        records: What was said of each request.
    """

    started_s: dict[str, float] = field(default_factory=dict)
    killed_s: dict[str, float] = field(default_factory=dict)
    answered_s: dict[str, float] = field(default_factory=dict)
    records: dict[str, ProviderRecord] = field(default_factory=dict)


class RequestLogs(LateRecords):
    """Records of functions by the trace of each request.

    What is billed is the time of instances, which requests share: the log does not tell it.

    Args:
        clients: Ask Cloud Logging.
        service_of: Returns the Cloud Run service behind a function.
    """

    def __init__(self, clients: GcpClients, service_of: Callable[[str], str]) -> None:
        super().__init__()
        self._clients = clients
        self._service_of = service_of
        self._instances: dict[str, _Instances] = defaultdict(_Instances)

    def lines(self, function: str, since_s: float) -> Iterator[tuple[float, ProviderRecord | None]]:
        """Yield the requests of a function, after what is logged of its instances."""
        instances = self._instances[function]
        requests: list[tuple[float, Any]] = []
        for entry in self._entries(function, since_s, _OF_CALLS):
            at_s = entry.timestamp.timestamp() if entry.timestamp else 0.0
            if entry.http_request:
                requests.append((at_s, entry))
                continue
            instance, text = (entry.labels or {}).get("instanceId", ""), str(entry.payload or "")
            if text.startswith(_STARTING):
                instances.started_s.setdefault(instance, at_s)
            elif text.startswith(_MEMORY):
                instances.killed_s.setdefault(instance, at_s)
            yield at_s, None
        for at_s, entry in sorted(requests, key=lambda request: request[0]):
            trace = (entry.trace or "").rpartition("/")[2]
            if trace and trace not in instances.records:  # what was said of one that is read again stays
                instances.records[trace] = _record(trace, at_s, entry, instances)
            yield at_s, instances.records.get(trace)

    def end(self, function: str) -> bool:
        """Forget a function, and return whether records that were asked for are still to come."""
        self._instances.pop(function, None)
        return super().end(function)

    def printed(self, function: str, since_s: float) -> str:
        """Return what a function's instances printed from a point in time on, as far as the log has it by now."""
        told = [entry.payload for entry in self._entries(function, since_s, _OF_FUNCTION)]
        # The functions framework logs each piece that is written as an object, with the ends of lines that it has.
        return "".join(str(part.get("message", "")) if isinstance(part, dict) else f"{part}\n" for part in told)

    def _entries(self, function: str, since_s: float, logs: Sequence[str]) -> Iterator[Any]:
        project, service = self._clients.project, self._service_of(function)
        since = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        names = " OR ".join(f'"projects/{project}/logs/{name}"' for name in logs)
        wanted = (
            f'resource.type="cloud_run_revision" AND resource.labels.service_name="{service}" '
            f'AND logName=({names}) AND timestamp>="{since}"'
        )
        with ERRORS.explained(f"read of the log of {service!r}"):
            yield from self._clients.logging.list_entries(
                resource_names=[f"projects/{project}"], filter_=wanted, order_by="timestamp asc", page_size=_PAGE
            )


def _record(trace: str, received_s: float, entry: Any, instances: _Instances) -> ProviderRecord:
    """Return what a request's entry says, with what its instance adds to that."""
    told = entry.http_request
    duration_s = _seconds(told.get("latency", ""))
    instance = (entry.labels or {}).get("instanceId") or None
    ended_s = received_s + (duration_s or 0.0)
    status = _STATUS.get(int(told.get("status") or 0))
    if instance is None:
        return ProviderRecord(trace, duration_s=duration_s, status=status)
    start = _start(instance, received_s, instances)
    instances.answered_s[instance] = min(ended_s, instances.answered_s.get(instance, ended_s))
    killed_s = instances.killed_s.get(instance)
    if int(told.get("status") or 0) >= 500 and killed_s is not None and killed_s >= received_s:
        status = Status.OUT_OF_MEMORY
    return ProviderRecord(trace, duration_s=duration_s, status=status, sandbox_id=instance, start_type=start)


def _start(instance: str, received_s: float, instances: _Instances) -> StartType | None:
    """Return how a request's instance was when it came, where the log proves it.

    Cold: the instance was started after the request was received, and answered nobody before. Warm: it had answered
    before. All other requests came while it was starting, or it is unknown when that was.
    """
    answered_s, started_s = instances.answered_s.get(instance), instances.started_s.get(instance)
    if answered_s is not None:
        return StartType.WARM if answered_s <= received_s else None
    return StartType.COLD if started_s is not None and started_s >= received_s else None


def _seconds(text: Any) -> float | None:
    """Return a duration as Google writes it (`0.123s`)."""
    try:
        return float(str(text).removesuffix("s"))
    except ValueError:
        return None
