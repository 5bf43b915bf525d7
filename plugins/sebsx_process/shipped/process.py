"""What the kernel says of this process and its children, around one call."""

import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

# `ru_maxrss` is in KiB on Linux and in bytes on macOS (getrusage(2) of either).
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


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
    samples = {"process.max_rss_bytes": own.ru_maxrss * RSS_UNIT_BYTES}
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
