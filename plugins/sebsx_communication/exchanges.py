"""What an exchange leaves in the store: the metrics, and how they are read back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model import Kind
from sebsx.model.metrics import Better, Metric
from sebsx.model.starved import MOST_STARVED
from sebsx.reading.believed import quantile_of_units
from sebsx.reading.blocks import Observations, joined
from sebsx.reading.starved import starved_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Invocation
    from sebsx.model.stored import StoredCell

EXCHANGE = "communication.exchange"
RATE = "communication.functions_usd_per_s"
OPERATIONS = "communication.operations_usd"
METRICS = (
    Metric(
        EXCHANGE,
        "json",
        better=Better.NEITHER,
        meaning="every round trip of an end and what it took, as text of a run_value",
    ),
    Metric("communication.latency_s", "s", meaning="half the median round trip of an exchange, by the producer"),
    Metric(
        "communication.bandwidth",
        "bytes/s",
        better=Better.HIGHER,
        meaning="stream of messages one way, to its acknowledgement",
    ),
    Metric("communication.polls", "count", meaning="polls of an end that found no message"),
    Metric("communication.retries", "count", meaning="unanswered waits of an end, after which it resent"),
    Metric(RATE, "USD/s", meaning="what the time of both functions costs while a message travels"),
    Metric(OPERATIONS, "USD", meaning="what a message costs in operations of the channel"),
)


@dataclass
class Exchanged:
    """All exchanges of one cell: one channel, one size of message.

    Args:
        cell: The cell as stored.
        trips_s: Round trips of each exchange, those that count.
        blocks: The block of each: exchanges of the same round or in the same sandboxes.
        first_s: Round trips before those.
        retried_s: Round trips in which something was sent again.
        operations: Of both ends on all round trips, by name.
        messages: Messages of the producer that were answered, for which the operations are.
        polls: Unanswered polls, of both ends.
        retries: Times that something was sent again, by both ends.
        bandwidth: Bytes a second of each stream.
        streamed: The block of each.
        usd_per_s: What the time of both functions costs; None where there is no price.
        operations_usd: What a message costs in operations; None where there is no price.
        broken: Exchanges that ended before their last message was answered.
        consumers: Exchanges whose consumer was an invocation of its own.
        same_sandbox: Exchanges whose two ends were one sandbox.
        starved: Share of its calls that did not have the processor they were due.
    """

    cell: StoredCell
    trips_s: list[list[float]] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    retried_s: list[float] = field(default_factory=list)
    operations: dict[str, float] = field(default_factory=dict)
    messages: int = 0
    polls: float = 0
    retries: int = 0
    bandwidth: list[float] = field(default_factory=list)
    streamed: list[int] = field(default_factory=list)
    usd_per_s: float | None = None
    operations_usd: float | None = None
    broken: int = 0
    consumers: int = 0
    same_sandbox: int = 0
    starved: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether lines and answers may be made of it: most messages came back, and its calls had their processor."""
        return self.median_s < math.inf and self.starved <= MOST_STARVED

    @property
    def latencies_s(self) -> list[float]:
        """Half of every round trip that counts."""
        return [trip / 2 for trips in self.trips_s for trip in trips]

    @property
    def latency_s(self) -> Observations:
        """The same, with the block of each; a message that was not answered in time is later than all of them."""
        blocks = [block for block, trips in zip(self.blocks, self.trips_s, strict=True) for _ in trips]
        late = [math.nan] * (len(self.retried_s) + self.broken)
        return Observations.listed(self.latencies_s, blocks, late=late)

    @property
    def median_s(self) -> float:
        """The median of those; infinite where it lies among what was not answered."""
        found = quantile_of_units(self.latency_s).value
        return math.inf if found is None else found

    @property
    def message_usd(self) -> float | None:
        """Cost of a message: its operations, and the time of both functions for the median latency."""
        if self.median_s == math.inf or self.usd_per_s is None or self.operations_usd is None:
            return None
        return self.median_s * self.usd_per_s + self.operations_usd

    @property
    def stream(self) -> Observations:
        """The bandwidths, with the block of each."""
        return Observations.listed(self.bandwidth, self.streamed)

    @property
    def carried(self) -> int:
        """Messages that the operations were for: there and back, unless the answer belongs to the operation."""
        return self.messages * (2 if self.consumers else 1)

    def per_message(self) -> dict[str, float]:
        """Return how many operations one message takes, by name."""
        return {name: count / self.carried for name, count in self.operations.items()} if self.carried else {}

    def add(self, told: Mapping[str, Any], block: int) -> None:
        """Add what one end of an exchange told, which is of a block."""
        for name, count in told.get("operations", {}).items():
            self.operations[name] = self.operations.get(name, 0) + count
            self.polls += count if name == "poll" else 0
        self.retries += told.get("retries", 0)
        if told.get("role") != "producer":
            self.consumers += 1
            return
        self.blocks.append(block)
        self.trips_s.append([float(value) for value in told.get("round_trip_s", ())])
        self.first_s += told.get("first_s", ())
        self.retried_s += told.get("retried_s", ())
        # An exchange cut short tells no operations, and so no messages for them either.
        self.messages += told.get("messages", 0) if told.get("operations") else 0
        self.broken += not told.get("operations")
        stream = told.get("stream") or {}
        if stream.get("messages") and not stream.get("retried") and stream["time_s"] > 0:
            self.streamed.append(block)
            self.bandwidth.append(stream["messages"] * told["message_bytes"] / stream["time_s"])


def exchanged(view: RunView) -> list[Exchanged]:
    """Return what each cell of a run exchanged, in the order of the design; cells without any too."""
    shares = starved_shares(view)
    cells = {
        cell.id: Exchanged(cell, starved=shares.get(cell.id, 0.0)) for cell in view.cells() if "channel" in cell.factors
    }
    told: dict[int, list[Mapping[str, Any]]] = {}
    for value in view.values():
        if value.cell_id not in cells:
            continue
        if value.metric == EXCHANGE and value.text:
            told.setdefault(value.cell_id, []).append(json.loads(value.text))
        elif value.metric == RATE:
            cells[value.cell_id].usd_per_s = value.value
        elif value.metric == OPERATIONS:
            cells[value.cell_id].operations_usd = value.value
    # What an exchange measured before it failed counts; the warm-up of a channel does not.
    calls = {cell_id: list(view.invocations(cell_id=cell_id, kind=Kind.MEASURED)) for cell_id in told}
    block_of = _blocks([call for of_cell in calls.values() for call in of_cell])
    for cell_id, ends in told.items():
        sandboxes: dict[int | None, list[str | None]] = {}
        for call in calls[cell_id]:
            sandboxes.setdefault(call.round, []).append(call.sandbox_id)
        for end in ends:
            if (block := block_of.get(end.get("sequence", -1))) is not None:
                cells[cell_id].add(end, block)
        cells[cell_id].same_sandbox = sum(
            len(ids) > 1 and None not in ids and len(set(ids)) < len(ids) for ids in sandboxes.values()
        )
    return list(cells.values())


def _blocks(calls: Sequence[Invocation]) -> dict[int, int]:
    """Return the block of each call by its sequence; those whose sandbox is unknown are in one."""
    names = {name: number for number, name in enumerate(dict.fromkeys(call.sandbox_id for call in calls))}
    found = joined(
        [-1 if call.round is None else call.round for call in calls], [names[call.sandbox_id] for call in calls]
    )
    return {call.sequence: int(block) for call, block in zip(calls, found, strict=True)}


def sizes_of(found: Sequence[Exchanged]) -> list[int]:
    """Return the sizes of message of some cells, ascending."""
    return sorted({int(each.cell.factors["message_bytes"]) for each in found})
