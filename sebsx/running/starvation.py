"""Which calls did not get the processor they were due, because something else on the host had it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sebsx.model.starved import USED, is_starved
from sebsx.system.busyness import host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sebsx.model import Invocation
    from sebsx.system.busyness import Host

# What was lost must matter to the call, and be more than the kernel's accounting is uncertain by.
_LOST_SHARE = 0.05
_LOST_S = 0.005


def used_share(samples: Mapping[str, float], duration_s: float | None, vcpu: float | None) -> float | None:
    """Return how much of the processor time that a call wanted and was due it had; None where that is not known.

    It wanted the time in which it ran or waited to run, and was due its share of the call's duration at most: what its
    quota takes is not lost. 1 where what was lost is of no matter.

    Args:
        samples: Of the call: `function.cpu_s`, `function.runqueue_s`.
        duration_s: Of its handler.
        vcpu: Processors that the deployment has.
    """
    cpu_s, delay_s = samples.get("function.cpu_s"), samples.get("function.runqueue_s")
    if cpu_s is None or delay_s is None or not duration_s or not vcpu:
        return None
    due_s = min(cpu_s + delay_s, vcpu * duration_s)
    lost_s = due_s - cpu_s
    if lost_s <= max(_LOST_S, _LOST_SHARE * duration_s):
        return 1.0
    return cpu_s / due_s


def mark(invocation: Invocation, vcpu: float | None) -> None:
    """Add to the samples of an invocation what it used of the processor."""
    used = used_share(invocation.samples, invocation.function_duration_s, vcpu)
    if used is not None:
        invocation.samples = {**invocation.samples, USED: used}


class Watch:
    """Counts starved calls by cell, and looks at this machine from a cell's first call to its last.

    Args:
        record: Stores a value of a cell: its metric, the number, the cell.
    """

    def __init__(self, record: Callable[[str, float, int], None]) -> None:
        self._record = record
        self._known: Counter[int] = Counter()
        self._starved: Counter[int] = Counter()
        self._began: dict[int, tuple[Host, float]] = {}

    def see(self, cell_id: int, invocations: Iterable[Invocation]) -> None:
        """Take in invocations of a cell that were just stored."""
        for invocation in invocations:
            if cell_id not in self._began and (now := host()):
                self._began[cell_id] = now, invocation.client_sent_s
            if USED in invocation.samples:
                self._known[cell_id] += 1
                self._starved[cell_id] += is_starved(invocation.samples)

    def end(self, cell_id: int, now_s: float) -> None:
        """Store what was seen of a cell.

        Args:
            cell_id: The cell.
            now_s: The client's clock.
        """
        if known := self._known.pop(cell_id, 0):
            self._record("host.starved", self._starved.pop(cell_id, 0) / known, cell_id)
        began, now = self._began.pop(cell_id, None), host()
        if began is None or now is None:
            return
        before, since_s = began
        self._record("host.load", (before.load + now.load) / 2, cell_id)
        if before.stalled_s is not None and now.stalled_s is not None and now_s > since_s:
            share = (now.stalled_s - before.stalled_s) / (now_s - since_s)
            self._record("host.pressure", min(1.0, max(0.0, share)), cell_id)
