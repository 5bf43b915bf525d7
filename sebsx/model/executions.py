"""Groups of invocations that are measured as one, and the machines that send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model.invocations import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A group of invocations with a begin and an end of its own: a workflow, a message, a scale-out.

    Args:
        kind: What it is, in one word: `workflow`, `message`, ...
        begin_s: When it began, in Unix seconds by the client's clock.
        end_s: When it ended; None where that was never seen.
        status: How it ended.
        error: Why it failed.
        purpose: Whether it counts.
        round: Of an interleaved design.
        figures: What was measured of it as a whole, by registered metrics.
    """

    kind: str
    begin_s: float
    end_s: float | None = None
    status: Status = Status.OK
    error: str | None = None
    purpose: Kind = Kind.MEASURED
    round: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def duration_s(self) -> float | None:
        """From its begin to its end."""
        return None if self.end_s is None else self.end_s - self.begin_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A machine that sends invocations.

    Args:
        host: Its name.
        facts: What it says of itself: processor, system, versions.
        offset_s: Its clock minus the clock of the machine that the run is on; None where nobody measured it.
        offset_error_s: How far that may be off.
    """

    host: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    offset_s: float | None = None
    offset_error_s: float | None = None
