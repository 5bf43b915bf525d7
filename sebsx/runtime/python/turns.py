"""How long the threads of this process had a processor, and how long they waited while others had it (Linux)."""

import os
import time

TASKS = "/proc/self/task"
MAIN = "/proc/self/schedstat"
ALONE = 3

_main = None  # descriptor of MAIN


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
    # A folder has a link for each folder in it, beside its own two: that costs half of listing them.
    if os.stat(TASKS).st_nlink == ALONE:
        return _main_ns() * 1e-9
    total = 0
    for thread in os.listdir(TASKS):
        try:
            file = os.open("%s/%s/schedstat" % (TASKS, thread), os.O_RDONLY)
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        try:
            total += _waited_ns(file)
        except ProcessLookupError:
            continue
        finally:
            os.close(file)
    return total * 1e-9


def _main_ns():
    """Return the delay of the first thread; its file stays open, which costs a tenth of opening it each time."""
    global _main
    try:
        return _waited_ns(_main)
    except (TypeError, OSError, ValueError, IndexError):  # not open yet, or the function closed it
        _main = os.open(MAIN, os.O_RDONLY)
        return _waited_ns(_main)


def _waited_ns(file):
    return int(os.pread(file, 100, 0).split()[1])
