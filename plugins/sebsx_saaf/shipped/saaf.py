"""What the Serverless Application Analytics Framework records around one call, in its names and in SI units.

In a virtual machine of its own, /proc/stat and /proc/vmstat count the sandbox alone. A container shares them with its
neighbours: where its control group accounts processor time or memory, the group's figures are taken instead, and
what the group does not tell (idle, iowait, steal, ...) is absent. Which was taken is in the facts.
"""

import os
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

from sebsx_runtime.groups import group, read

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
# Fields of the first line of /proc/stat, proc_stat(5). Time of guests is contained in user and nice.
FIELDS = (
    "cpuUser", "cpuNice", "cpuKernel", "cpuIdle", "cpuIOWait", "cpuIrq", "cpuSoftIrq", "cpuSteal",
    "cpuGuest", "cpuGuestNice",
)  # fmt: skip
ACCOUNTED = FIELDS[:8]
BUSY = ("cpuUser", "cpuNice", "cpuKernel", "cpuIrq", "cpuSoftIrq")
# Below this the ticks of eight fields are more than the 5 % that the accounting is held to.
SHORTEST_S = 0.5

_groups = None


def begin(_call):
    """Return the counters before the call."""
    global _groups  # the same as long as the sandbox lives
    started = perf_counter()
    if _groups is None:
        _groups = (group("cpuacct", "cpu"), group("memory", "memory"), group("cpu", "cpu"))
    counters, at, own_s, used_s = _counters()
    return counters, at, own_s, used_s, started, perf_counter()


def end(state, call):
    """Return the counters, their differences, memory, run times and how well the processor time adds up.

    Calls that share the process share its counters: differences, and what is made of them, are left out then.
    """
    ended = perf_counter()
    before, at_before, own_before_s, used_before_s, started, ready = state
    after, at, own_s, used_s = _counters()
    samples = {"saaf." + name: value for name, value in after.items()}
    delta = {}
    if not call.concurrent:
        grown = {name: value - before[name] for name, value in after.items() if name in before}
        if used_s is not None and used_before_s is not None:
            grown.update(_split(grown, used_s - used_before_s))
        for name, value in grown.items():
            quantity, _, unit = name.rpartition("_")
            delta[quantity] = samples["saaf.%sDelta_%s" % (quantity, unit)] = value
    cpus = _cpus()
    samples.update(_memory())
    samples.update(_accounting(delta, at - at_before, own_s - own_before_s, cpus))
    samples["saaf.availableCPUs_count"] = cpus
    samples["saaf.newcontainer_1"] = 1 if call.number == 1 else 0
    samples["saaf.userRuntime_s"] = ended - ready
    now = perf_counter()
    samples["saaf.runtime_s"] = now - started
    samples["saaf.frameworkRuntime_s"] = samples["saaf.overhead_s"] = now - ended + ready - started
    return samples


def facts():
    """Return the words of this sandbox: processor, boot time, container, and whose counters these are."""
    cpu_group, memory_group, _quota_group = _groups or (None, None, None)
    found = {
        "lang": "python",
        "newcontainer": 1,  # facts are those of the first call
        "cpuScope": "group" if cpu_group else "machine",
        "memoryScope": "group" if memory_group else "machine",
    }
    for line in read("/proc/cpuinfo")[:4096].decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        names = {"model name": "cpuType", "model": "cpuModel", "CPU part": "cpuModel"}
        if key.strip() in names:
            found.setdefault(names[key.strip()], value.strip())
    booted = _number(read("/proc/stat"), b"btime")
    if booted is not None:
        found["vmuptime"] = booted
    container = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or os.environ.get("CONTAINER_NAME") or _group_name()
    if container:
        found["containerID"] = container
    return {"saaf": found}


def _counters():
    """Return what grows, by SAAF's name and unit; when it was read; and the processor time of our own processes.

    Last comes the exact processor time of the group, where its parts are no more than a sample of it.
    """
    cpu_group, memory_group, _quota_group = _groups
    used_s = None
    stat = read("/proc/stat")
    at = perf_counter()
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    own_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    if cpu_group:
        found = _group_cpu(*cpu_group)
        used_ns = _whole(cpu_group[1] + "/cpuacct.usage") if cpu_group[0] == 1 else None
        used_s = None if used_ns is None else used_ns * 1e-9
        switches = own.ru_nvcsw + own.ru_nivcsw + children.ru_nvcsw + children.ru_nivcsw
    else:
        fields = stat[: stat.find(b"\n")].split()[1:]
        found = {name + "_s": int(field) * TICK_S for name, field in zip(FIELDS, fields)}  # noqa: B905  # Python 3.9
        switches = _number(stat, b"ctxt")
    if switches is not None:
        found["contextSwitches_count"] = switches
    faults = read(memory_group[1] + "/memory.stat" if memory_group else "/proc/vmstat")
    for name, key in (("pageFaults_count", b"pgfault"), ("majorPageFaults_count", b"pgmajfault")):
        value = _number(faults, key)
        if value is not None:
            found[name] = value
    return found, at, own_s, used_s


def _group_cpu(version, folder):
    if version == 2:
        stat = read(folder + "/cpu.stat")
        user, kernel, unit_s = _number(stat, b"user_usec"), _number(stat, b"system_usec"), 1e-6
    else:
        user, kernel, unit_s = _whole(folder + "/cpuacct.usage_user"), _whole(folder + "/cpuacct.usage_sys"), 1e-9
    found = {}
    if user is not None and kernel is not None:
        found["cpuUser_s"] = user * unit_s
        found["cpuKernel_s"] = kernel * unit_s
    return found


def _split(grown, used_s):
    """Return user and kernel time that sum to the exact time used: version 1 counts whole ticks."""
    user_s, kernel_s = grown.get("cpuUser_s"), grown.get("cpuKernel_s")
    if user_s is None or kernel_s is None:
        return {}
    kernel_share = kernel_s / (user_s + kernel_s) if user_s + kernel_s > 0 else 0.0
    return {"cpuUser_s": used_s * (1 - kernel_share), "cpuKernel_s": used_s * kernel_share}


def _cpus():
    """Return how many processors the counters are of: the machine's, or what the group may use.

    In version 1 the quota may stand in a hierarchy other than that of the time used.
    """
    cpu_group, _memory_group, quota_group = _groups
    if not cpu_group:
        return max(1, read("/proc/stat").count(b"\ncpu"))
    cpus = len(os.sched_getaffinity(0))
    if not quota_group:
        return cpus
    version, folder = quota_group
    if version == 2:
        quota, _, period = read(folder + "/cpu.max").partition(b" ")
    else:
        quota, period = read(folder + "/cpu.cfs_quota_us").strip(), read(folder + "/cpu.cfs_period_us")
    return min(cpus, int(quota) / int(period)) if quota.isdigit() else cpus


def _accounting(delta, wall_s, own_s, cpus):
    """Return processors used, time of others, and the relative error of `wall = sum of times / processors`.

    A group has no idle time; there the error is what it used beyond all it could.
    """
    if "cpuUser" not in delta or wall_s <= 0:
        return {}
    busy_s = sum(delta.get(name, 0.0) for name in BUSY)
    found = {
        "saaf.utilizedCPUs_count": busy_s / wall_s,
        "saaf.foreignCpu_s": max(0.0, busy_s - own_s),
    }
    if wall_s >= SHORTEST_S:
        total_s = sum(delta.get(name, 0.0) for name in ACCOUNTED) / cpus
        beyond_s = abs(total_s - wall_s) if "cpuIdle" in delta else max(0.0, total_s - wall_s)
        found["saaf.accounting_error_1"] = beyond_s / wall_s
    return found


def _memory():
    """Return total, free and used memory: of the group where it has a limit, else of the machine."""
    memory_group = _groups[1]
    meminfo = read("/proc/meminfo")
    total, free = _number(meminfo, b"MemTotal:"), _number(meminfo, b"MemFree:")
    if total is None or free is None:
        return {}
    total, free = total * 1024, free * 1024
    if memory_group:
        version, folder = memory_group
        limit_name, used_name = (
            ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        limit, used = _whole(folder + "/" + limit_name), _whole(folder + "/" + used_name)
        if limit is not None and used is not None and limit < total:
            total, free = limit, max(0, limit - used)
    return {"saaf.totalMemory_bytes": total, "saaf.freeMemory_bytes": free, "saaf.usedMemory_bytes": total - free}


def _group_name():
    """Return the last part of the longest path in /proc/self/cgroup; empty in the root of all."""
    lines = read("/proc/self/cgroup").decode("utf-8", "replace").splitlines()
    path = max((line.split(":", 2)[-1] for line in lines), key=len, default="")
    return path.rpartition("/")[2]


def _number(text, key):
    """Return the integer after a key at the start of a line, or None."""
    start = 0 if text.startswith(key + b" ") else text.find(b"\n" + key + b" ") + 1
    if start == 0 and not text.startswith(key + b" "):
        return None
    return int(text[start + len(key) : start + len(key) + 40].split()[0])


def _whole(path):
    """Return the integer that a file holds, or None."""
    text = read(path).strip()
    return int(text) if text.isdigit() else None
