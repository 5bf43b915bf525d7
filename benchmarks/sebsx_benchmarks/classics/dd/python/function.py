"""Copy a file as `dd bs=... count=... skip=... seek=... conv=fsync` does."""

from __future__ import annotations

import array
import hashlib
import mmap
import os
import sys
import tempfile
import zlib

CHUNK_BYTES = 2**20


def stamped(pattern, first, count):
    """Return blocks of one pattern, with the numbers from `first` on in their first 8 bytes, little-endian.

    Column by column, in C: making blocks one by one takes as long as writing them.
    """
    size = len(pattern)
    blocks = bytearray(pattern * count)
    numbers = array.array("Q", range(first, first + count))
    if sys.byteorder == "big":
        numbers.byteswap()
    columns = numbers.tobytes()
    for place in range(8):
        blocks[place::size] = columns[place::8]
    return blocks


def fill(descriptor, pattern, count):
    """Write so many stamped blocks, flush them, and return how many bytes that were."""
    at_once, written = max(1, CHUNK_BYTES // len(pattern)), 0
    for first in range(0, count, at_once):
        written += os.write(descriptor, stamped(pattern, first, min(at_once, count - first)))
    os.fsync(descriptor)
    return written


def checksum(descriptor):
    """Return the CRC-32 of a file as hexadecimal digits."""
    crc = 0
    if os.fstat(descriptor).st_size:
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as contents:
            crc = zlib.crc32(contents)
    return format(crc, "08x")


def copy(source, target, block_bytes, count):
    """Copy up to `count` blocks with one read and one write each; return records read and written, and bytes."""
    records_in = records_out = copied = 0
    while records_in < count:
        block = os.read(source, block_bytes)
        if not block:
            break
        records_in += 1
        copied += os.write(target, block)
        records_out += 1
    return records_in, records_out, copied


def handler(event, context):
    """Return records, bytes copied, and the CRC-32 of the copy."""
    block_bytes, count, skip = event["block_bytes"], event["count"], event["skip"]
    with tempfile.TemporaryFile(buffering=0) as source_file, tempfile.TemporaryFile(buffering=0) as target_file:
        source, target = source_file.fileno(), target_file.fileno()
        with context.phase("prepare"):
            fill(source, hashlib.shake_256(event["seed"].encode()).digest(block_bytes), skip + count)
        records_in = records_out = copied = 0
        for _ in range(event["copies"]):
            with context.phase("copy"):
                os.ftruncate(target, 0)
                os.lseek(source, skip * block_bytes, os.SEEK_SET)
                os.lseek(target, event["seek"] * block_bytes, os.SEEK_SET)
                moved = copy(source, target, block_bytes, count)
            with context.phase("fsync"):
                os.fsync(target)
            records_in, records_out, copied = records_in + moved[0], records_out + moved[1], copied + moved[2]
        with context.phase("verify"):
            crc = checksum(target)
    return {"records_in": records_in, "records_out": records_out, "copied_bytes": copied, "copy_crc32": crc}
