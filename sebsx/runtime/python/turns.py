"""How long the threads of this process had a processor, and how long they waited while others had it (Linux)."""

import os
import time

TASKS = "/proc/self/task"


def read():
    """Return processor time and run-queue delay of all threads so far in s; None where the kernel does not say."""
    try:
        return time.process_time(), _delay_s()
    except (OSError, ValueError, IndexError, MemoryError):  # it measures, and must harm nobody
        return None


def between(before):
    """Return what came since a reading as samples; nothing where either is missing.

    A thread that ended meanwhile took its delay along: then the sum may be too small, never too large.
    """
    after = read()
    if before is None or after is None:
        return {}
    return {"function.cpu_s": after[0] - before[0], "function.runqueue_s": max(0.0, after[1] - before[1])}


def _delay_s():
    total = 0
    for thread in os.listdir(TASKS):
        try:
            with open("%s/%s/schedstat" % (TASKS, thread), "rb", buffering=0) as file:
                total += int(file.read(100).split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
    return total * 1e-9
