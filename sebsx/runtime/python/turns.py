"""How long the threads of this process had a processor, and how long they waited while others had it (Linux).

All of this is part of every warm call, and what the kernel is asked for takes several times as long after a wait as in
a loop: nothing is looked up by its name that can stay open, and nothing is asked for twice.
"""

import os
from _thread import _count as other_threads
from time import process_time

TASKS = "/proc/self/task"
MAIN = "/proc/self/schedstat"
ALONE = 3  # a folder has a link for each folder in it, beside its own two: that costs half of listing them
FAULTS = (OSError, ValueError, IndexError, TypeError, MemoryError)  # it measures, and must harm nobody

_main = None  # descriptor of MAIN
_tasks = None  # descriptor of TASKS
_tasks_are = None
_alone = False  # whether the first thread was the only one when the last call ended


def read():
    """Return processor time in s and run-queue delay in ns of all threads so far; None where they are not told."""
    try:
        if _alone and not other_threads():  # it waited for this call, and can have started none since
            return process_time(), _waited_ns(_main)
    except FAULTS:  # the function closed the file, or has its number
        pass
    try:
        return process_time(), _all_ns()
    except FAULTS:
        return None


def between(before):
    """Return what came since a reading as samples; nothing where either is missing.

    A thread that ended meanwhile took its delay along: then the sum may be too small, never too large.
    """
    global _alone
    if before is None:
        return {}
    try:
        cpu_s = process_time()
        _alone = _is_alone()
        delay_ns = _main_ns() if _alone else _all_ns()
    except FAULTS:
        return {}
    return {"function.cpu_s": cpu_s - before[0], "function.runqueue_s": max(0, delay_ns - before[1]) * 1e-9}


def _forget():
    """Open everything again: what a process has open tells of itself, in those that it forks as well."""
    global _main, _tasks, _tasks_are, _alone
    _main = _tasks = _tasks_are = None
    _alone = False


os.register_at_fork(after_in_child=_forget)


def _all_ns():
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
    return total


def _is_alone():
    global _tasks, _tasks_are
    try:
        folder = os.fstat(_tasks)
    except (TypeError, OSError):
        folder = None
    if folder is None or (folder.st_dev, folder.st_ino) != _tasks_are:  # the function closed it, or has its number
        _tasks = os.open(TASKS, os.O_RDONLY)
        folder = os.fstat(_tasks)
        _tasks_are = (folder.st_dev, folder.st_ino)
    return folder.st_nlink == ALONE


def _main_ns():
    """Return the delay of the first thread; its file stays open, which costs a tenth of opening it each time."""
    global _main
    try:
        return _waited_ns(_main)
    except FAULTS:  # not open yet, or the function closed it
        _main = os.open(MAIN, os.O_RDONLY)
        return _waited_ns(_main)


def _waited_ns(file):
    return int(os.pread(file, 100, 0).split()[1])
