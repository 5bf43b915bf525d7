"""Stores a phase of load while it goes on, in the gaps between its requests.

The sender itself does it, one answer at a time, when nothing is due and no answer waits: some 25 us, after which it
looks at its sockets again. A transaction stays open for a quarter of a second, or half of one where there is no gap:
that, and what waits, is what a crash can cost.

Chosen by measurement, at 2,000 requests a second on two shared processors: all in all 90 us of processor time an
invocation, of which recording is 27, against 130 to 200 with a thread for storing, because each system call of the
sender gives the interpreter's lock away and waits to have it back; service times are then up to twice as long. At a
load of 2 the sender is as punctual as without recording (median 0.06 ms late). At a load of 9 the thread is late less
often, being another task to share the processor with; both are then past what the generator's verdict allows.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.contracts.calls import Health
from sebsx.model import DROPPED, Kind, Status
from sebsx.model.meaning import PLAIN
from sebsx.running.invocations import Extras, read_reply
from sebsx.sending.health import LATE_S, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.functions import Function
    from sebsx.contracts.platforms import Platform
    from sebsx.model import Deployment, Invocation, Reply
    from sebsx.model.meaning import Meaning
    from sebsx.running.evidence import Starts
    from sebsx.running.samples import Names
    from sebsx.store.invocations import InvocationStream
    from sebsx.system.busyness import Waited

# How long a transaction stays open, how long it may at most, and how long others may then write.
_COMMIT_S = 0.25
_COMMIT_AT_LAST_S = 0.5
_GAP_S = 0.02
# A commit takes up to this long; it waits for a gap of that size while it can.
_COMMIT_TAKES_S = 0.002
# Answers that wait to be stored, and the size of their bodies; from here on storing keeps step with receiving, gap or
# no gap. A server that paused answers hundreds at once, while others are due.
_BACKLOG = 2048
_BACKLOG_BYTES = 64 * 2**20
_TOGETHER = 8  # are then stored at once, in less time and without a look at the sockets
# A commit takes as long as it is large: one of so many takes under a millisecond, and waits for no gap.
_COMMIT_COUNT = 256
_SWITCH_S = 0.0002


class Recording:
    """Takes the replies of one phase, and stores them as invocations.

    Args:
        stream: Where they go; closed by `close`.
        platform: Says what replies mean.
        deployment: What is called.
        check: Returns what is wrong with an output.
        starts: Tells how invocations started.
        names: Tells which names samples may have.
        kind: Whether they count.
        meaning: What the benchmark says its numbers mean.
        sequence: Number of the first.
        batch: Number of the phase in its run.
        on_commit: Called with the invocations that were just committed, and what else their envelopes held; no
            transaction is open then.
        round: Round of the design.

    After a failure of the store nothing is stored or told any more: what comes later would leave a hole before it.
    """

    def __init__(
        self,
        stream: InvocationStream,
        platform: Platform[Any],
        deployment: Deployment,
        check: Callable[[Any], str | None],
        starts: Starts,
        names: Names,
        *,
        kind: Kind,
        meaning: Meaning = PLAIN,
        sequence: int,
        batch: int,
        on_commit: Callable[[Sequence[Invocation], Extras], None],
        round: int | None = None,  # noqa: A002  # the column
    ) -> None:
        self.sequence = sequence
        self.statuses: Counter[Status] = Counter()
        self._stream = stream
        self._read = partial(
            read_reply,
            platform=platform,
            deployment=deployment,
            record=None,
            starts=starts,
            names=names,
            batch=batch,
            kind=kind,
            meaning=meaning,
        )
        self._meaning = meaning
        self._check = check
        self._round = round
        self._on_commit = on_commit
        self._backlog: deque[tuple[Reply, Function | None]] = deque()
        self._backlog_bytes = 0
        self._stored: list[Invocation] = []
        self._extras = Extras()
        self._commit_s = self._rest_until_s = 0.0
        self._lateness, self._latency = Histogram(), Histogram()
        self._late = 0
        self._failed = False
        self._limits: dict[str, None] = {}

    def add(self, reply: Reply, called: Function | None = None) -> None:
        """Take a reply; it is stored when there is time, or when too many wait.

        Args:
            reply: What came back.
            called: The function with the input of that call; None for the one that all have.

        Raises:
            StoreError: If what waited could not be stored.
        """
        self._backlog.append((reply, called))
        self._backlog_bytes += len(reply.body)
        if len(self._backlog) > _BACKLOG or self._backlog_bytes > _BACKLOG_BYTES:
            self._store(_TOGETHER)
            if self._is_due(0.0):
                self.commit()

    def idle(self, wait_s: float) -> bool:
        """Use a gap of `wait_s`, and tell whether it was of use."""
        if self._is_due(wait_s):
            self.commit()
            return True
        if self._backlog and (self._stored or (time.monotonic() > self._rest_until_s and not self._stream.settling)):
            self._store()
            return True
        return False

    def commit(self) -> None:
        """Make safe what was stored, and tell of it.

        Raises:
            StoreError: If that could not be done; nothing is told then.
        """
        with self._given_up():
            self._stream.commit()
        stored, self._stored = self._stored, []
        extras, self._extras = self._extras, Extras()
        if stored:
            with self._given_up():
                self._on_commit(stored, extras)
        now_s = time.monotonic()
        if now_s > self._rest_until_s + _COMMIT_S:
            self._rest_until_s = now_s + _GAP_S

    def close(self) -> None:
        """Store and commit what is left, unless the store has failed before.

        A plugin that fails at an answer ends that: what was read before it is safe.
        """
        try:
            try:
                while self._backlog:
                    self._store(_TOGETHER)
            finally:
                if not self._failed:
                    self.commit()
        finally:
            self._stream.close()

    def health(self, duration_s: float, busy_s: float, in_flight_max: int, waited: Waited | None = None) -> Health:
        """Return how the generator did, after `close`."""
        lateness = self._lateness
        return Health(
            sent=lateness.n,
            dropped=self.statuses[Status.DROPPED],
            client_errors=self.statuses[Status.CLIENT_ERROR],
            limits=tuple(self._limits),
            late=self._late,
            lateness_p50_s=lateness.quantile(0.5),
            lateness_p99_s=lateness.quantile(0.99),
            lateness_max_s=lateness.largest,
            cpu_share=min(1.0, max(0.0, busy_s) / max(duration_s, 1e-9)),
            latency_p50_s=self._latency.quantile(0.5),
            in_flight_max=in_flight_max,
            duration_s=duration_s,
            runqueue_s=waited.delay_s if waited else None,
            turns=waited.turns if waited else None,
        )

    def _is_due(self, wait_s: float) -> bool:
        """Tell whether what was stored is to be committed in a gap of `wait_s`."""
        if not self._stored:
            return False
        if len(self._stored) >= _COMMIT_COUNT:
            return True
        over_s = time.monotonic() - self._commit_s
        return over_s > (0.0 if wait_s > _COMMIT_TAKES_S else _COMMIT_AT_LAST_S - _COMMIT_S)

    def _store(self, most: int = 1) -> None:
        """Store so many of those that wait, the oldest first."""
        if not self._stored:
            self._commit_s = time.monotonic() + _COMMIT_S
        read, check = self._read, self._check
        invocations: list[Invocation] = []
        late_by_s, took_s = [], []
        try:
            for sequence in range(self.sequence, self.sequence + min(most, len(self._backlog))):
                reply, called = self._backlog.popleft()
                self._backlog_bytes -= len(reply.body)
                invocation, envelope = read(reply, sequence=sequence, check=check if called is None else called.check)
                if called is not None and called.read is not None and invocation.status is Status.OK:
                    invocation.samples = {**invocation.samples, **called.read(envelope.output)}
                invocation.round = self._round
                if envelope.facts or envelope.series or self._meaning.facts:
                    self._extras.add(invocation, envelope, self._meaning)
                invocations.append(invocation)
                if reply.limit is not None:
                    self._limits[reply.limit] = None
                if reply.error != DROPPED:
                    late_by_s.append(reply.sent_s - reply.intended_s)
                if invocation.status is Status.OK:
                    took_s.append(reply.done_s - reply.sent_s)
        finally:  # a plugin that fails at an answer takes no other along
            if invocations:
                self._keep(invocations, late_by_s, took_s)

    def _keep(self, invocations: list[Invocation], late_by_s: Sequence[float], took_s: Sequence[float]) -> None:
        """Add invocations to the transaction, and count them."""
        self.sequence += len(invocations)
        self.statuses.update([invocation.status for invocation in invocations])
        self._lateness.add(late_by_s)
        self._late += sum([late_s > LATE_S for late_s in late_by_s])
        self._latency.add(took_s)
        with self._given_up():
            self._stream.add(invocations)
        self._stored += invocations

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        """Forget what is not safe when the store fails: it was rolled back, or never reached it."""
        try:
            yield
        except BaseException:
            self._failed = True
            self._backlog.clear()
            self._backlog_bytes = 0
            self._stored.clear()
            raise


@contextmanager
def collected_later() -> Iterator[None]:
    """Put off the search of objects for garbage until the end: of a batch nothing is garbage before it is stored."""
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the interpreter from pausing inside: no search of old objects for garbage, short turns for threads."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(min(interval_s, _SWITCH_S))
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval_s)
