"""What is called: replies, what a provider records, and the invocation that is stored.

Points in time are seconds since the Unix epoch, taken from one monotonic clock that was anchored to wall time once
(`sebsx.model.clock`).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Status(StrEnum):
    """How an invocation ended.

    `dropped` and `client_error` do not concern the function: it was not called because too many calls were in flight,
    or because this machine met a limit of its own (descriptors, ports, threads, memory).
    """

    OK = "ok"
    FUNCTION_ERROR = "function_error"
    WRONG_OUTPUT = "wrong_output"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    THROTTLED = "throttled"
    DROPPED = "dropped"
    PLATFORM_ERROR = "platform_error"
    CLIENT_ERROR = "client_error"


class StartType(StrEnum):
    """In what state the sandbox was when the invocation reached it."""

    COLD = "cold"
    WARM = "warm"
    RESTORED = "restored"
    PROVISIONED = "provisioned"
    PROACTIVE = "proactive"
    WAITED = "waited"  # for a start that another call caused
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """Whether an invocation counts as a measurement; what was cut short and begun again does not."""

    WARMUP = "warmup"
    MEASURED = "measured"
    BROKEN_OFF = "broken_off"


DROPPED = "dropped: too many requests in flight"
"""The `error` of a reply to a request that was due and not sent."""


@dataclass(slots=True)  # not frozen: made for each request, in half the time
class Reply:
    """What came back for one invocation, as the client saw it; times are Unix seconds.

    `first_byte_s` and `connected_s` are None when that point was never reached; `error` says why there
    is no answer at all (`http_status` is None then).

    Where a call is not one HTTP request (`sebsx.contracts.senders.Exchange`), it is sent and connected when its
    submission is, accepted when that is answered; its first byte and its end are those of the answer that held the
    result. Where a platform invokes by means of its own, it is sent when these begin and done when they return.

    Attributes:
        attempts: How often it was sent. More than once only where no earlier attempt can have been received.
        accepted_s: When the platform had taken it; None where the result is the answer to the request itself.
        polls: How often the result was asked for after that.
        limit: The limit of the client's own machine that kept it from being sent or answered; None where none did.
    """

    request_id: str
    _: KW_ONLY
    intended_s: float
    sent_s: float
    connected_s: float | None
    first_byte_s: float | None
    done_s: float
    http_status: int | None
    headers: Mapping[str, str]
    body: bytes
    bytes_out: int
    error: str | None = None
    attempts: int = 1
    accepted_s: float | None = None
    polls: int = 0
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """What the provider says of one invocation. None where it says nothing.

    A record without `start_type` says of the start what its figures show: one with an initialisation was cold, one
    without says nothing. A provider whose records leave the initialisation out for warm starts alone says `WARM`.
    `evidence` is what else it says of the start, such as how long the invocation lay in a queue; it is kept with what
    the function proved, each name behind `provider_`.
    """

    request_id: str
    _: KW_ONLY
    duration_s: float | None = None
    init_s: float | None = None
    billed_s: float | None = None
    max_memory_bytes: int | None = None
    status: Status | None = None
    sandbox_id: str | None = None
    cost_usd: float | None = None
    start_type: StartType | None = None
    evidence: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One invocation, as it is stored. Times are Unix seconds, durations seconds.

    Not frozen, because the provider's figures arrive after the client's: they are filled in before the
    batch is committed, or by an update afterwards where a provider is late.

    Args beyond what their names say:
        round: Of an interleaved design; None where the design has none.
        attempts: How often it was sent; what may have been received is never sent again.
        accepted_s: When a platform that answers later took it (`submit`).
        polls: How often such a platform was asked for the answer.
        execution: Row of the group of invocations it belongs to (`sebsx.model.Execution`).
        parent: Sequence of the invocation of the same run that caused it.
        state: Name of the step of a workflow that it is.
        client: Row of the machine that sent it; None for the one that the run is on.
    """

    sequence: int
    batch: int
    kind: Kind
    request_id: str
    status: Status
    start_type: StartType
    start_evidence: str
    sandbox_id: str | None
    error: str | None
    client_intended_s: float
    client_sent_s: float
    client_connected_s: float | None
    client_first_byte_s: float | None
    client_done_s: float
    function_started_s: float | None = None
    function_finished_s: float | None = None
    function_duration_s: float | None = None
    provider_duration_s: float | None = None
    provider_init_s: float | None = None
    provider_billed_s: float | None = None
    provider_max_memory_bytes: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    cost_usd: float | None = None
    round: int | None = None
    attempts: int = 1
    accepted_s: float | None = None
    polls: int = 0
    execution: int | None = None
    parent: int | None = None
    state: str | None = None
    client: int | None = None
    samples: Mapping[str, float] = field(default_factory=dict)

    @property
    def latency_s(self) -> float:
        """From the request sent to the last byte of the answer."""
        return self.client_done_s - self.client_sent_s
