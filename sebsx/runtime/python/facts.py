"""Facts about the machine under a sandbox: read once, after the first call was timed."""

import os
import sys

_CPU = {"model name": "cpu_model", "CPU part": "cpu_model", "cpu MHz": "cpu_mhz", "cache size": "cpu_cache"}


def facts():
    """Return what is cheap to know; what the system does not say is left out."""
    system = os.uname()
    found = {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "implementation": sys.implementation.name,
        "os": system.sysname,
        "kernel": system.release,
        "machine": system.machine,
        "cpu_count": os.cpu_count(),
        "pid": os.getpid(),
    }
    if hasattr(os, "sched_getaffinity"):
        found["cpu_usable"] = len(os.sched_getaffinity(0))
    boot_id = _read("/proc/sys/kernel/random/boot_id", 64).strip()
    if boot_id:
        found["boot_id"] = boot_id
    for line in _read("/proc/cpuinfo", 4096).splitlines():
        key, _, value = line.partition(":")
        name = _CPU.get(key.strip())
        if name:
            found.setdefault(name, value.strip())
    return found


def _read(path, count):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(count)
    except OSError:
        return ""
