"""How busy this machine is: what threads waited for a processor, the load, and the pressure figures of Linux."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_THREAD = Path("/proc/thread-self/schedstat")
_PRESSURE = Path("/proc/pressure/cpu")
_NS, _US = 1e-9, 1e-6
_TAKEN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What a thread has waited since its start, while it could have run and another had the processor.

    Args:
        delay_s: In all, in s; the run-queue delay.
        turns: How often it got the processor.
    """

    delay_s: float
    turns: int

    def since(self, before: Waited) -> Waited:
        """Return what came since an earlier reading."""
        return Waited(delay_s=self.delay_s - before.delay_s, turns=self.turns - before.turns)


def waited() -> Waited | None:
    """Return what the calling thread has waited; None where the kernel does not say.

    Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat.
    """
    try:
        _, delay_ns, turns = map(int, _THREAD.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    return Waited(delay_s=delay_ns * _NS, turns=turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a machine has to do.

    Args:
        load: Mean number of tasks that ran or wanted to in the last minute.
        processors: How many there are.
        stalled_s: Time since the machine's start in which some task waited for a processor, in s; None where the kernel
            has no pressure figures (Documentation/accounting/psi.rst).
    """

    load: float
    processors: int
    stalled_s: float | None

    @property
    def busy(self) -> bool:
        """Whether so much runs that a function has to wait for a processor: half of them are taken."""
        return self.load > self.processors * _TAKEN

    @property
    def words(self) -> str:
        """The load in words."""
        return f"load {self.load:.1f} on {self.processors} processors"


def host() -> Host | None:
    """Return what this machine has to do now; None where the kernel does not say."""
    try:
        load = os.getloadavg()[0]
    except OSError:
        return None
    return Host(load=load, processors=os.cpu_count() or 1, stalled_s=_stalled_s())


def _stalled_s() -> float | None:
    try:
        lines = _PRESSURE.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.startswith("some ")), [])
    totals = [word.removeprefix("total=") for word in words if word.startswith("total=")]
    return int(totals[0]) * _US if totals and totals[0].isdigit() else None
