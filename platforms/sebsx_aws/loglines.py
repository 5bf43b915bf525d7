"""What Lambda says of an invocation, read from its log lines: text or JSON, whole or cut off.

Source: AWS Lambda developer guide, "Understanding Lambda log formats" and "Lambda JSON log objects": fields are
optional and come in any order, so that they are read by name.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sebsx.model import ProviderRecord, StartType, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REQUEST = re.compile(r"RequestId:\s*([0-9A-Za-z-]+)")
_FIGURE = re.compile(
    r"(Billed Restore Duration|Restore Duration|Billed Duration|Init Duration|Duration|Memory Size|Max Memory Used):"
    r"\s*(\d+(?:\.\d+)?)\s*(ms|MB)"
)
_STATUS = re.compile(r"\bStatus:\s*(\w+)")
_BROKEN = frozenset({"error", "failure"})
_NAMES = {
    "Duration": "durationMs",
    "Billed Duration": "billedDurationMs",
    "Init Duration": "initDurationMs",
    "Restore Duration": "restoreDurationMs",
    "Billed Restore Duration": "billedRestoreDurationMs",
    "Memory Size": "memorySizeMB",
    "Max Memory Used": "maxMemoryUsedMB",
}


def read_log(lines: Iterable[str]) -> dict[str, ProviderRecord]:
    """Return the records in some log lines, by request id; lines that report nothing are passed over."""
    found = {}
    for line in lines:
        record = read_line(line)
        if record is not None:
            found[record.request_id] = record
    return found


def read_line(line: str) -> ProviderRecord | None:
    """Return the record that a log line holds; None if it is another line, or cut off before its first figure."""
    text = line.strip()
    if text.startswith("{"):
        return _from_json(text)
    start = text.find("REPORT RequestId:")
    if start < 0:
        return None
    text = text[start:]
    figures = {_NAMES[name]: float(value) for name, value, _ in _FIGURE.findall(text)}
    request = _REQUEST.search(text)
    if request is None or "durationMs" not in figures:
        return None
    status = _STATUS.search(text)
    return _record(request[1], figures, status[1] if status else "success")


def _from_json(text: str) -> ProviderRecord | None:
    try:
        document = json.loads(text)
        if document.get("type") != "platform.report":
            return None
        told = document["record"]
        figures = {name: float(value) for name, value in told["metrics"].items() if isinstance(value, int | float)}
        request_id, status = str(told["requestId"]), str(told.get("status", "success"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # the function's own JSON, or half a line
    return _record(request_id, figures, status) if "durationMs" in figures else None


def _record(request_id: str, figures: Mapping[str, float], status: str) -> ProviderRecord:
    used, size = figures.get("maxMemoryUsedMB"), figures.get("memorySizeMB")
    restored = "restoreDurationMs" in figures
    ended: Status | None = {"timeout": Status.TIMEOUT}.get(status)
    if status in _BROKEN and used is not None and size is not None and used >= size:
        ended = Status.OUT_OF_MEMORY
    init_ms = figures.get("restoreDurationMs") if restored else figures.get("initDurationMs")
    return ProviderRecord(
        request_id,
        duration_s=figures["durationMs"] / 1000,
        init_s=_seconds(init_ms),
        billed_s=_seconds(figures.get("billedDurationMs")),  # a billed restore is part of it
        max_memory_bytes=None if used is None else int(used * 2**20),
        status=ended,
        start_type=StartType.RESTORED if restored else None,
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def error_status(body: bytes) -> Status:
    """Return what the body of an `X-Amz-Function-Error` answer means: its envelope was not written by the shim.

    Our shim never fails an invocation by itself, so such an answer comes from Lambda: a time-out, or a runtime that
    ended.
    """
    kind, message = said(body)
    if "Timedout" in kind or "Task timed out" in message:
        return Status.TIMEOUT
    if "signal: killed" in message or "OutOfMemory" in kind or kind == "MemoryError":
        return Status.OUT_OF_MEMORY
    return Status.FUNCTION_ERROR


def said(body: bytes) -> tuple[str, str]:
    """Return type and message of an error in the body of an answer; both empty where it has none."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    message = told.get("errorMessage") or told.get("message") or told.get("Message") or ""
    return str(told.get("errorType") or ""), str(message)
