"""A model in memory, and what the kernel says of it.

Every figure is of this process, read from its own folder below /proc, which needs no permission where there is one.
"""

import base64
import ctypes
import hashlib
import mmap
import os
import time
import zlib

PAGE = mmap.PAGESIZE
_MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.bin")
_SET_MEMORY_MERGE = 67  # prctl(2), since Linux 6.4
_PRESENT = 1 << 63  # bit of an entry of /proc/PID/pagemap
_NOT_MEMORY = ("[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]")
_BLOCK = 2**20
_READS = 3
_WRITES = 256
_ZEROS = bytes(PAGE)


class RefusedError(Exception):
    """This kernel or this user does not allow it."""


class Replica:
    """The model of one process, and memory that it filled for itself."""

    def __init__(self, event):
        started = time.perf_counter()
        if event["strategy"] == "ksm-prctl":
            _merge_all()
        if event["strategy"] == "mapped":
            with open(_MODEL, "rb") as file:
                self.model = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        else:
            self.model = _anonymous(os.path.getsize(_MODEL))
            with open(_MODEL, "rb", buffering=0) as file:
                file.readinto(self.model)
        # A flag of its own keeps the kernel from joining this mapping with the next, which is not the model.
        self.model.madvise(mmap.MADV_DONTDUMP)
        if event["strategy"] == "ksm-madvise":
            _mergeable(self.model)
        zlib.crc32(self.model)  # what is mapped is there once it is read
        self.private = None
        self.load_s = time.perf_counter() - started

    def own(self, event):
        """Fill what each replica has for itself: private memory, and for the control the model as well."""
        if event["weights"] == "different":
            for first in range(0, len(self.model), _BLOCK):
                self.model[first : first + _BLOCK] = os.urandom(min(_BLOCK, len(self.model) - first))
        if event["private_bytes"]:
            self.private = _anonymous(event["private_bytes"])
            self.private.madvise(mmap.MADV_RANDOM)  # again a flag of its own
            for first in range(0, len(self.private), _BLOCK):
                self.private[first : first + _BLOCK] = os.urandom(min(_BLOCK, len(self.private) - first))

    def answer(self, event):
        """Return what was asked for."""
        return getattr(self, event["do"])(event)

    def load(self, event):
        """Return what loading took."""
        return {"load_s": self.load_s}

    def memory(self, event):
        """Return RSS, PSS and USS of the process, and PSS of its model and of its private memory."""
        found = sizes(_lines("/proc/self/smaps_rollup"))
        return {
            "rss_bytes": found["Rss"],
            "pss_bytes": found["Pss"],
            "uss_bytes": found["Private_Clean"] + found["Private_Dirty"],
            "model_pss_bytes": _pss_of(self.model),
            "private_pss_bytes": 0 if self.private is None else _pss_of(self.private),
        }

    def pages(self, event):
        """Return how many pages are resident and how many are zero, and digests of every n-th content.

        Which contents are among them follows from the digest, so that equal pages of all replicas are, or none.
        """
        kept, pages, zero = [], 0, 0
        for page in resident():
            pages += 1
            zero += page == _ZEROS
            digest = hashlib.blake2b(page, digest_size=8).digest()
            if int.from_bytes(digest[:4], "little") % event["every"] == 0:
                kept.append(digest)
        return {"pages": pages, "zero": zero, "digests": base64.b64encode(b"".join(kept)).decode()}

    def read(self, event):
        """Return how long it takes to read the whole model."""
        times = []
        for _ in range(_READS):
            started = time.perf_counter()
            zlib.crc32(self.model)
            times.append(time.perf_counter() - started)
        return {"read_s": sorted(times)[_READS // 2]}

    def write(self, event):
        """Return how long the first and the second write to a page of the model take."""
        pages = len(self.model) // PAGE
        step = max(1, pages // _WRITES)
        clock, model, first, later = time.perf_counter, self.model, [], []
        for page in range(0, pages, step):
            at = page * PAGE
            began = clock()
            model[at] = 1
            between = clock()
            model[at] = 2
            later.append(clock() - between)
            first.append(between - began)
        return {"first_write_s": sorted(first)[len(first) // 2], "later_write_s": sorted(later)[len(later) // 2]}


def _anonymous(size):
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _mergeable(memory):
    advice = getattr(mmap, "MADV_MERGEABLE", None)
    if advice is None:
        raise RefusedError("this Python knows no MADV_MERGEABLE")
    try:
        memory.madvise(advice)
    except OSError as exc:
        raise RefusedError("madvise(MADV_MERGEABLE): %s" % os.strerror(exc.errno)) from exc


def _merge_all():
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_MEMORY_MERGE, 1, 0, 0, 0):
        raise RefusedError("prctl(PR_SET_MEMORY_MERGE): %s" % os.strerror(ctypes.get_errno()))


def _lines(path):
    try:
        with open(path, "rb") as file:
            return file.read().splitlines()
    except OSError as exc:
        raise RefusedError("%s cannot be read: %s" % (path, exc.strerror)) from exc


def sizes(lines):
    """Return the figures of a mapping, or of all, in bytes."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) == 3 and words[2] == b"kB":
            found[words[0][:-1].decode()] = int(words[1]) * 1024
    return found


def _pss_of(memory):
    """Return the PSS of the mappings that hold it: one, or several where the kernel divided it."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    end = start + len(memory)
    total, inside = 0, False
    for line in _lines("/proc/self/smaps"):
        words = line.split(None, 1)
        if not words[0].endswith(b":"):
            low, _, high = words[0].partition(b"-")
            inside = int(low, 16) < end and start < int(high, 16)
        elif inside and words[0] == b"Pss:":
            total += int(words[1].split()[0]) * 1024
    return total


def resident():
    """Yield the content of each page of this process that is in memory."""
    try:
        maps, memory = _lines("/proc/self/maps"), open("/proc/self/mem", "rb", 0)  # noqa: SIM115  # closed below
        flags = open("/proc/self/pagemap", "rb", 0)  # noqa: SIM115  # closed below
    except OSError as exc:
        raise RefusedError("the pages of a process cannot be read here: %s" % exc) from exc
    with memory, flags:
        for line in maps:
            words = line.decode(errors="replace").split(None, 5)
            if "r" not in words[1] or (len(words) > 5 and words[5] in _NOT_MEMORY):
                continue
            low, _, high = words[0].partition("-")
            for at in _present(flags, int(low, 16), int(high, 16)):
                memory.seek(at)
                try:
                    page = memory.read(PAGE)
                except OSError:  # of a device, or unmapped meanwhile
                    continue
                if len(page) == PAGE:
                    yield page


def _present(flags, start, end):
    """Return the addresses of the pages that are in memory: reading another one would bring it there."""
    flags.seek(start // PAGE * 8)
    entries = flags.read((end - start) // PAGE * 8)
    words = memoryview(entries[: len(entries) // 8 * 8]).cast("Q")
    return [start + place * PAGE for place, entry in enumerate(words) if entry & _PRESENT]
