"""Records that a provider writes into logs, seconds to minutes after the invocations: read as they come."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sebsx.model import ProviderRecord

logger = logging.getLogger(__name__)


@dataclass
class _Found:
    """What was read of one function so far."""

    records: dict[str, ProviderRecord] = field(default_factory=dict)
    newest_s: float = 0.0
    missing: int = 0  # of those that were asked for last
    doubtful: set[str] = field(default_factory=set)

    def add(self, record: ProviderRecord) -> None:
        """Take a record; of several for one request that differ, a function wrote some, and none is believed."""
        if self.records.setdefault(record.request_id, record) != record:
            self.doubtful.add(record.request_id)
            logger.warning("several records of request %s differ: none is believed", record.request_id)
        if record.request_id in self.doubtful:
            del self.records[record.request_id]


class LateRecords(ABC):
    """Records of functions, as they come into their logs. A subclass says how these are read.

    Class attributes:
        late_s: How far lines may be out of order: what is older than the newest one by this is not read again.
    """

    late_s: ClassVar[float] = 120.0

    def __init__(self) -> None:
        self._by_function: dict[str, _Found] = defaultdict(_Found)

    @abstractmethod
    def lines(self, function: str, since_s: float) -> Iterable[tuple[float, ProviderRecord | None]]:
        """Yield what a function's log has from a point in time on, in Unix seconds: when, and the record if it is one.

        Reads what is there now and does not wait. A record may be given again, the same as before.
        """

    def read(self, function: str, wanted: set[str]) -> Mapping[str, ProviderRecord]:
        """Return those records of some invocations that have come by now, by request id."""
        found = self._by_function[function]
        if not wanted <= found.records.keys():
            for at_s, record in self.lines(function, max(0.0, found.newest_s - self.late_s)):
                found.newest_s = max(found.newest_s, at_s)
                if record is not None:
                    found.add(record)
        found.missing = len(wanted - found.records.keys())
        return {key: found.records[key] for key in wanted & found.records.keys()}

    def end(self, function: str) -> bool:
        """Forget a function, and return whether records that were asked for are still to come."""
        found = self._by_function.pop(function, None)
        return found is not None and found.missing > 0
