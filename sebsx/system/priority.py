"""Real-time scheduling (SCHED_FIFO) for a thread that must act on time on a busy machine."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ADVICE = "allow it: ulimit -r 1, rtprio 1 in /etc/security/limits.conf, or the capability CAP_SYS_NICE"
"""What to do where the system does not permit it."""

NOT_PERMITTED = "the system does not permit SCHED_FIFO"
"""The refusal that `ADVICE` is about."""

# The lowest priority goes before every ordinary thread, and after whatever else is real-time here.
_PRIORITY = 1
_PROCESSORS = 2
_BANDWIDTH = Path("/proc/sys/kernel/sched_rt_runtime_us")


@contextmanager
def on_time() -> Iterator[str]:
    """Let the calling thread go before ordinary threads and processes while inside.

    It is done only where others keep a processor: where this process has two of them at least, and the kernel keeps
    real-time threads from taking all of one. Threads and processes begun inside are ordinary.

    Yields:
        Why the thread stays ordinary, in words; empty where it goes first.

    Source: sched(7), setrlimit(2).
    """
    refusal = _unsafe()
    if refusal:
        yield refusal
        return
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    if before & ~os.SCHED_RESET_ON_FORK in (os.SCHED_FIFO, os.SCHED_RR):
        yield ""
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError:
        yield NOT_PERMITTED
        return
    try:
        yield ""
    finally:
        # Without privileges the flag cannot be taken back, and it changes nothing for an ordinary thread.
        os.sched_setscheduler(0, before | os.SCHED_RESET_ON_FORK, parameters)


def refusal() -> str:
    """Return why a thread of this process would stay ordinary `on_time`; empty where it would go first."""
    answers: list[str] = []

    def ask() -> None:
        with on_time() as why:
            answers.append(why)

    asking = Thread(target=ask)  # whose scheduling ends with it
    asking.start()
    asking.join()
    return answers[0]


def _unsafe() -> str:
    """Return why going first could starve others or end this process; empty where neither can happen."""
    if not hasattr(os, "sched_setscheduler"):
        return "this system has no SCHED_FIFO"
    if len(os.sched_getaffinity(0)) < _PROCESSORS:
        return "it would take the only processor from the functions"
    if not _is_bounded():
        return "the kernel does not bound real-time threads (kernel.sched_rt_runtime_us)"
    import resource  # not on Windows

    if resource.getrlimit(resource.RLIMIT_RTTIME)[0] != resource.RLIM_INFINITY:
        return "a limit on real-time processor time would end it (ulimit -R)"
    return ""


def _is_bounded() -> bool:
    try:
        return int(_BANDWIDTH.read_text(encoding="ascii")) > 0
    except (OSError, ValueError):
        return False
