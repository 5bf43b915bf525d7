"""What the kernel says of this process and its children, around one call."""

import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

# `ru_maxrss` is in KiB on Linux and in bytes on macOS (getrusage(2) of either).
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024

# `ru_maxrss` has the peak of whatever the process was before it was what it is now, such as a launcher that became it
# by exec (kernel/sys.c, fs/exec.c: `setmax_mm_hiwater_rss`); up to here it says nothing of the function. None before
# the first call.
_inherited = None
# The peak that was read last, and the page faults until then. Memory grows by faults: after fewer than so many it is
# not read again, for reading takes three times as long as all else here.
_read = (None, -(10**9))
FEW_FAULTS = 32


def begin(_call):
    """Return the counters before the call; those of the process itself are read last."""
    started = perf_counter()
    children = getrusage(RUSAGE_CHILDREN)
    return getrusage(RUSAGE_SELF), children, perf_counter() - started


def end(state, call):
    """Return the differences, the peak memory so far and what reading them took.

    Calls that share the process share its counters: only the peak, which is the sandbox's anyway, is left then.
    """
    started = perf_counter()
    own = getrusage(RUSAGE_SELF)
    children = getrusage(RUSAGE_CHILDREN)
    own_before, children_before, spent_s = state
    samples = {"process.max_rss_bytes": _peak_bytes(own)}
    if not call.concurrent:
        samples.update(_differences(own_before, own, children_before, children))
    samples["process.overhead_s"] = spent_s + perf_counter() - started
    return samples


def _differences(own_before, own, children_before, children):
    return {
        "process.cpu_user_s": own.ru_utime - own_before.ru_utime,
        "process.cpu_system_s": own.ru_stime - own_before.ru_stime,
        "process.child_cpu_user_s": children.ru_utime - children_before.ru_utime,
        "process.child_cpu_system_s": children.ru_stime - children_before.ru_stime,
        "process.minor_faults_count": own.ru_minflt - own_before.ru_minflt,
        "process.major_faults_count": own.ru_majflt - own_before.ru_majflt,
        "process.voluntary_switches_count": own.ru_nvcsw - own_before.ru_nvcsw,
        "process.involuntary_switches_count": own.ru_nivcsw - own_before.ru_nivcsw,
    }


def _peak_bytes(usage):
    """Return the peak resident memory of this program alone; the kernel's file is read only where it is needed."""
    global _inherited, _read  # of the process, as the counters are
    max_rss = usage.ru_maxrss
    if _inherited is not None and max_rss > _inherited:
        return max_rss * RSS_UNIT_BYTES
    faults = usage.ru_minflt + usage.ru_majflt
    own, before = _read
    if faults - before >= FEW_FAULTS:
        own = _high_water_kib()
        _read = (own, faults)
    if own is None:
        return max_rss * RSS_UNIT_BYTES
    if _inherited is None:
        _inherited = max_rss if max_rss > own else 0
    return own * 1024


def _high_water_kib():
    """Return `VmHWM` of proc_pid_status(5), which begins again with each program; None where there is none."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            text = file.readall()
    except OSError:
        return None
    start = text.find(b"VmHWM:")
    return None if start < 0 else int(text[start + 6 : start + 40].split()[0])
