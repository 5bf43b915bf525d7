"""What the gateway remembers: a record per invocation and the last output of each sandbox, both bounded."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORDS = 200_000
LOG_BYTES = 64 * 1024
LOGS = 64  # ended sandboxes of a deployment whose output is kept


@dataclass(slots=True)  # not frozen: made for each call, in a third of the time
class Record:
    """What a provider would report of one invocation."""

    status: str
    start: str
    sandbox: str
    duration_s: float | None
    init_s: float | None
    max_memory_bytes: int | None

    @property
    def billed_s(self) -> float | None:
        """Duration with initialisation, rounded up to whole milliseconds as AWS Lambda bills since August 2025."""
        if self.duration_s is None and self.init_s is None:
            return None
        # A nanosecond is taken off first, so that 0.003 s, which no float holds exactly, stays 3 ms.
        return math.ceil(((self.duration_s or 0.0) + (self.init_s or 0.0)) * 1000 - 1e-6) / 1000

    def as_json(self) -> dict[str, Any]:
        """Return the record for the control API."""
        return {name: getattr(self, name) for name in _REPORTED}


_REPORTED = (*(item.name for item in fields(Record)), "billed_s")


class Records:
    """Records by request id; the oldest are forgotten beyond a bound."""

    def __init__(self, limit: int = RECORDS) -> None:
        self._limit = limit
        self._records: dict[str, Record] = {}

    def add(self, request_id: str, record: Record) -> None:
        """Remember one invocation; a second one with the same id replaces the first."""
        self._records[request_id] = record
        if len(self._records) > self._limit:
            del self._records[next(iter(self._records))]

    def get(self, request_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the records that are there, by request id."""
        return {key: self._records[key].as_json() for key in request_ids if key in self._records}


class Log:
    """The last output of one sandbox."""

    def __init__(self, limit: int = LOG_BYTES) -> None:
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Take a piece and forget the oldest beyond the bound."""
        data = data[-self._limit :]
        self._pieces.append(data)
        self._bytes += len(data)
        while self._bytes - len(self._pieces[0]) >= self._limit:
            self._bytes -= len(self._pieces.popleft())

    def text(self) -> str:
        """Return what is remembered."""
        return b"".join(self._pieces)[-self._limit :].decode("utf-8", "replace")
