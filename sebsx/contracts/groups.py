"""Invocations that are measured as one, while they are sent."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from sebsx.model import Execution, Status
from sebsx.model.clock import client_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.model import Invocation


@dataclass(slots=True)
class Group:
    """A group of invocations under way: what is stored while it is open belongs to it.

    It began when its first invocation was sent, ended when its last was answered, and went as the first that failed
    did, unless `begin_s`, `end_s`, `status` or `error` are set to something else.

    Attributes:
        id: Row of the execution.
        figures: What was measured of the group as a whole, by registered metrics.
    """

    id: int
    _: KW_ONLY
    begin_s: float | None = None
    end_s: float | None = None
    status: Status | None = None
    error: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    _invocations: list[Invocation] = field(default_factory=list)

    def add(self, invocations: Sequence[Invocation]) -> None:
        """Take invocations into the group, before they are stored."""
        for invocation in invocations:
            invocation.execution = self.id
        self._invocations += invocations

    def ended(self, begun: Execution) -> Execution:
        """Return the group as it is stored in the end."""
        sent = [each.client_sent_s for each in self._invocations]
        done = [each.client_done_s for each in self._invocations]
        failed = next((each for each in self._invocations if each.status is not Status.OK), None)
        return Execution(
            kind=begun.kind,
            purpose=begun.purpose,
            round=begun.round,
            begin_s=self.begin_s if self.begin_s is not None else min(sent, default=begun.begin_s),
            end_s=self.end_s if self.end_s is not None else max(done, default=client_clock().now()),
            status=self.status or (failed.status if failed else Status.OK),
            error=self.error or (failed.error if failed and self.status is None else None),
            figures=self.figures,
        )
