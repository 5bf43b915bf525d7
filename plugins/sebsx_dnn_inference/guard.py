"""Ends a task with all that it started when who asked for it is gone: a killed sebsx leaves no conversion running."""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def guarded(parent: int) -> None:
    """Go on in a forked process; the one that was called waits for it, ends as it does, and never returns.

    The waiting one leads a process group of its own. Linux tells it that its parent died, whatever killed that and
    whatever the work is doing, and it then kills the group: compilers that an engine started too.

    Args:
        parent: The process that asked; one that has ended already ends this at once.
    """
    worker = os.fork()
    if worker == 0:
        return
    signal.signal(signal.SIGTERM, lambda *_: _end())
    if sys.platform == "linux":
        import ctypes  # the work has no use for it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be told
        _end()
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _end() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
