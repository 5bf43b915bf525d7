"""Read random blocks of a file, past the page cache where the sandbox allows it."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import pathlib
import tempfile

STEP = 0x9E3779B97F4A7C15
CHUNK_BYTES = 2**20


def write_file(path, blocks, block_bytes, seed):
    """Write a file and wait until it is on the disk; block i repeats the 64-bit word seed + i * STEP."""
    words = block_bytes // 8
    with pathlib.Path(path).open("wb", buffering=CHUNK_BYTES) as file:
        file.writelines(((seed + block * STEP) % 2**64).to_bytes(8, "little") * words for block in range(blocks))
        file.flush()
        os.fsync(file.fileno())


def drop_cache(descriptor, offset=0, length=0):
    """Ask the kernel to forget the file's pages; False if there is no such call."""
    if not hasattr(os, "posix_fadvise"):
        return False
    os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
    return True


def stays_cached(descriptor):
    """Return whether a byte can be read without waiting for a disk, after the cache was dropped."""
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) == 1
    except OSError as exc:
        return exc.errno != errno.EAGAIN
    except AttributeError:
        return True


def opened(path, buffer):
    """Return a descriptor and how it reads: `direct`, `dropped` (cache emptied after each read) or `cached`."""
    descriptor = os.open(path, os.O_RDONLY)
    if not drop_cache(descriptor) or stays_cached(descriptor):
        return descriptor, "cached"
    with contextlib.suppress(OSError, AttributeError):
        direct = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            os.preadv(direct, [buffer], 0)
        except OSError:
            os.close(direct)
        else:
            os.close(descriptor)
            return direct, "direct"
    return descriptor, "dropped"


def read_blocks(descriptor, buffer, event, drop):
    """Return how many bytes were read, and the sum of the last word of each block."""
    block_bytes, blocks = len(buffer), event["blocks"]
    read_bytes = total = 0
    x = event["draw_seed"]
    for _ in range(event["reads"]):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        offset = x % blocks * block_bytes
        read_bytes += os.preadv(descriptor, [buffer], offset)
        total += int.from_bytes(buffer[-8:], "little")
        if drop:
            drop_cache(descriptor, offset, block_bytes)
    return read_bytes, total


def handler(event, context):
    """Return bytes read, the sum of words read modulo 2**64 as hexadecimal digits, and how they were read."""
    with tempfile.TemporaryDirectory() as folder, mmap.mmap(-1, event["block_bytes"]) as buffer:
        path = str(pathlib.Path(folder, "blocks"))
        with context.phase("prepare"):
            write_file(path, event["blocks"], event["block_bytes"], event["seed"])
            descriptor, how = opened(path, buffer)
        try:
            with context.phase("compute"):
                read_bytes, total = read_blocks(descriptor, buffer, event, how == "dropped")
        finally:
            os.close(descriptor)
    return {"read_bytes": read_bytes, "total": format(total % 2**64, "016x"), "how": how}
