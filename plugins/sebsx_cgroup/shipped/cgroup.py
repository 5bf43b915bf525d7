"""What the control group of this sandbox accounts, around one call. What cannot be read is absent.

Files: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst. A controller whose group is the root counts
the whole machine and is left out.
"""

from time import perf_counter

from sebsx_runtime.groups import group, read

# Metric -> (controller, file, key or None for a file with one number, factor). What grows, by version.
GROWING = {
    1: {
        "cpu_user_s": ("cpuacct", "cpuacct.usage_user", None, 1e-9),
        "cpu_system_s": ("cpuacct", "cpuacct.usage_sys", None, 1e-9),
        "cpu_usage_s": ("cpuacct", "cpuacct.usage", None, 1e-9),
        "periods_count": ("cpu", "cpu.stat", b"nr_periods", 1),
        "throttled_periods_count": ("cpu", "cpu.stat", b"nr_throttled", 1),
        "throttled_s": ("cpu", "cpu.stat", b"throttled_time", 1e-9),
        "minor_faults_count": ("memory", "memory.stat", b"pgfault", 1),
        "major_faults_count": ("memory", "memory.stat", b"pgmajfault", 1),
    },
    2: {
        "cpu_user_s": ("cpu", "cpu.stat", b"user_usec", 1e-6),
        "cpu_system_s": ("cpu", "cpu.stat", b"system_usec", 1e-6),
        "cpu_usage_s": ("cpu", "cpu.stat", b"usage_usec", 1e-6),
        "periods_count": ("cpu", "cpu.stat", b"nr_periods", 1),
        "throttled_periods_count": ("cpu", "cpu.stat", b"nr_throttled", 1),
        "throttled_s": ("cpu", "cpu.stat", b"throttled_usec", 1e-6),
        "minor_faults_count": ("memory", "memory.stat", b"pgfault", 1),
        "major_faults_count": ("memory", "memory.stat", b"pgmajfault", 1),
    },
}
STANDING = {
    1: {
        "memory_bytes": ("memory", "memory.usage_in_bytes", None, 1),
        "memory_peak_bytes": ("memory", "memory.max_usage_in_bytes", None, 1),
    },
    2: {
        "memory_bytes": ("memory", "memory.current", None, 1),
        "memory_peak_bytes": ("memory", "memory.peak", None, 1),
    },
}
# Metric -> word in io.stat; version 1 has a file of bytes and one of operations, with words of their own.
IO_V2 = {"io_read_bytes": b"rbytes", "io_write_bytes": b"wbytes", "io_reads_count": b"rios", "io_writes_count": b"wios"}
IO_V1 = {
    "io_read_bytes": ("blkio.throttle.io_service_bytes_recursive", b"Read"),
    "io_write_bytes": ("blkio.throttle.io_service_bytes_recursive", b"Write"),
    "io_reads_count": ("blkio.throttle.io_serviced_recursive", b"Read"),
    "io_writes_count": ("blkio.throttle.io_serviced_recursive", b"Write"),
}
LIMITS = {
    "memory_limit": ("memory", ("memory.limit_in_bytes", "memory.max")),
    "cpu_quota": ("cpu", ("cpu.cfs_quota_us", "cpu.max")),
    "cpu_period": ("cpu", ("cpu.cfs_period_us", "cpu.max")),
}

_groups = None


def begin(_call):
    """Return the counters before the call."""
    global _groups  # the same as long as the sandbox lives
    started = perf_counter()
    if _groups is None:
        _groups = find()
    return _growing(), perf_counter() - started


def end(state, call):
    """Return the differences, the memory as it stands, and what reading took.

    Calls that share the sandbox share its group: what grew is nobody's own then, and is left out.
    """
    started = perf_counter()
    before, spent_s = state
    after = {} if call.concurrent else _growing()
    samples = {"cgroup." + name: value - before[name] for name, value in after.items() if name in before}
    samples.update(("cgroup." + name, value) for name, value in _values(STANDING, {}).items())
    samples["cgroup.overhead_s"] = spent_s + perf_counter() - started
    return samples


def facts():
    """Return version and folder of each controller, and its limits in the kernel's own words."""
    groups = find() if _groups is None else _groups
    found = {name: {"version": version, "folder": folder} for name, (version, folder) in groups.items()}
    for name, (controller, files) in LIMITS.items():
        if controller in groups:
            version, folder = groups[controller]
            text = read(folder + "/" + files[version - 1]).decode("ascii", "replace").strip()
            if text:
                found[name] = text
    return {"cgroup": found}


def find():
    """Return controller -> (version, folder) for those that account for this sandbox alone."""
    names = (("cpu", "cpu"), ("cpuacct", "cpu"), ("memory", "memory"), ("blkio", "io"))
    found = {v1: group(v1, v2) for v1, v2 in names}
    return {name: place for name, place in found.items() if place is not None}


def _growing():
    cache = {}
    found = _values(GROWING, cache)
    if "blkio" in _groups:
        version, folder = _groups["blkio"]
        if version == 2:
            # "8:0 rbytes=1 wbytes=2 ..." for each device; empty where there was no input or output yet.
            words = [word.partition(b"=") for word in read(folder + "/io.stat").split()]
            for name, key in IO_V2.items():
                found[name] = sum(int(value) for word, _, value in words if word == key)
        else:
            for name, (file, key) in IO_V1.items():
                words = [line.split() for line in read(folder + "/" + file).splitlines()]
                found[name] = sum(int(line[2]) for line in words if len(line) == 3 and line[1] == key)
    return found


def _values(table, cache):
    """Return what can be read of a table; a file is read once per `cache`."""
    found = {}
    for controller, (version, folder) in _groups.items():
        for name, (wanted, file, key, factor) in table[version].items():
            if wanted != controller:
                continue
            path = folder + "/" + file
            if path not in cache:
                cache[path] = read(path)
            value = _number(cache[path], key)
            if value is not None:
                found[name] = value * factor
    return found


def _number(text, key):
    """Return the integer after a key at the start of a line, or the only one there is; None if it is missing."""
    if key is None:
        text = text.strip()
        return int(text) if text.isdigit() else None
    for line in text.splitlines():
        word, _, value = line.partition(b" ")
        if word == key:
            return int(value)
    return None
