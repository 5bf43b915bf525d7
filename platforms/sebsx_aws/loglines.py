"""What Lambda says of an invocation, read from its log lines: text or JSON, whole or cut off.

Source: AWS Lambda developer guide, "Understanding Lambda log formats" and "Lambda JSON log objects": fields are
optional and come in any order, so that they are read by name, and by their whole name. A function writes into the same
log. Lambda's own report is the last line of an invocation, so that of several in the tail that comes with an answer
the last one counts; in a log group, where order is not certain, none of several that differ is believed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sebsx.model import ProviderRecord, StartType, Status
from sebsx.model.untrusted import LINE_BYTES, UntrustedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REPORT = re.compile(r"REPORT RequestId:\s*([0-9A-Za-z-]{1,128})")
# No function runs or uses so much: 31 years, a petabyte.
_FIGURE = re.compile(r"([A-Z][A-Za-z ]*): (\d{1,12}(?:\.\d{1,9})?) (ms|MB)")
_LARGEST = 1e12
_STATUS = re.compile(r"Status: (\w{1,40})")
_BROKEN = frozenset({"error", "failure"})
_NAMES = {
    ("Duration", "ms"): "durationMs",
    ("Billed Duration", "ms"): "billedDurationMs",
    ("Init Duration", "ms"): "initDurationMs",
    ("Restore Duration", "ms"): "restoreDurationMs",
    ("Billed Restore Duration", "ms"): "billedRestoreDurationMs",
    ("Memory Size", "MB"): "memorySizeMB",
    ("Max Memory Used", "MB"): "maxMemoryUsedMB",
}


def read_log(lines: Iterable[str]) -> dict[str, ProviderRecord]:
    """Return the records in the lines of an answer's log tail, by request id; of several for one id the last."""
    return {record.request_id: record for record in map(read_line, lines) if record is not None}


def read_line(line: str) -> ProviderRecord | None:
    """Return the record that a log line holds; None if it is another line, or cut off before its first figure."""
    if line.startswith("{"):
        return _from_json(line)
    if not line.startswith("REPORT "):
        return None
    text = line.rstrip("\r\n")
    first, *fields = text.split("\t")
    request = _REPORT.fullmatch(first.strip())
    if request is None:
        return None
    figures: dict[str, float] = {}
    status = "success"
    for field in fields:
        if figure := _FIGURE.fullmatch(field.strip()):
            if name := _NAMES.get((figure[1], figure[3])):
                figures.setdefault(name, float(figure[2]))
        elif said_so := _STATUS.fullmatch(field.strip()):
            status = said_so[1]
    # A whole line ends in a tab: one that was cut off may lack the initialisation.
    return _record(request[1], figures, status, whole=text.endswith("\t")) if "durationMs" in figures else None


def _from_json(text: str) -> ProviderRecord | None:
    try:
        document = parse_json(text, LINE_BYTES)
        if document.get("type") != "platform.report":
            return None
        told = document["record"]
        figures = {name: float(value) for name, value in told["metrics"].items() if _is_figure(value)}
        request_id, status = str(told["requestId"]), str(told.get("status", "success"))
    except (UntrustedJsonError, KeyError, TypeError, AttributeError):
        return None  # the function's own JSON, or half a line
    return _record(request_id, figures, status, whole=True) if "durationMs" in figures else None


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _record(request_id: str, figures: Mapping[str, float], status: str, *, whole: bool) -> ProviderRecord:
    used, size = figures.get("maxMemoryUsedMB"), figures.get("memorySizeMB")
    restored = "restoreDurationMs" in figures
    ended: Status | None = {"timeout": Status.TIMEOUT}.get(status)
    if status in _BROKEN and used is not None and size is not None and used >= size:
        ended = Status.OUT_OF_MEMORY
    init_ms = figures.get("restoreDurationMs") if restored else figures.get("initDurationMs")
    start: StartType | None = None
    if restored:
        start = StartType.RESTORED
    elif not init_ms and whole and ended is None and status not in _BROKEN:
        start = StartType.WARM  # Lambda reports the initialisation of each cold start that succeeded
    return ProviderRecord(
        request_id,
        duration_s=figures["durationMs"] / 1000,
        init_s=_seconds(init_ms or None),
        billed_s=_seconds(figures.get("billedDurationMs")),  # a billed restore is part of it
        max_memory_bytes=None if used is None else int(used * 2**20),
        status=ended,
        start_type=start,
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
        told: Any = parse_json(body)
    except UntrustedJsonError:
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    message = told.get("errorMessage") or told.get("message") or told.get("Message") or ""
    return str(told.get("errorType") or ""), str(message)
