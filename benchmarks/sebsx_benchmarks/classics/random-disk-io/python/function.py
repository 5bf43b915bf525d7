"""Write and read blocks at random places of a file."""

from __future__ import annotations

import array
import hashlib
import itertools
import mmap
import operator
import os
import struct
import sys
import tempfile
import zlib

CHUNK_BYTES = 2**20


def draw(seed, count, blocks):
    """Return the numbers of so many blocks, drawn by SHAKE-256, which every language can draw from."""
    numbers = array.array("I", hashlib.shake_256(seed.encode()).digest(4 * count))
    if sys.byteorder == "big":
        numbers.byteswap()
    return list(map(operator.mod, numbers, itertools.repeat(blocks)))


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


def write_at(descriptor, block, places, first):
    """Write a block at each place, stamped with numbers from `first` on; return how many bytes were written."""
    written = 0
    for number, place in enumerate(places, start=first):
        struct.pack_into("<Q", block, 0, number)
        written += os.pwrite(descriptor, block, place * len(block))
    return written


def read_at(descriptor, block_bytes, places):
    """Return how many bytes were read at the places, and the stamps of the blocks found there."""
    read, stamps = 0, []
    for place in places:
        piece = os.pread(descriptor, block_bytes, place * block_bytes)
        read += len(piece)
        stamps.append(piece[:8])
    return read, stamps


def handler(event, context):
    """Return bytes written and read, the SHA-256 of the stamps read, and the CRC-32 of the whole file."""
    blocks, block_bytes, operations = event["blocks"], event["block_bytes"], event["operations"]
    block = bytearray(hashlib.shake_256(event["pattern_seed"].encode()).digest(block_bytes))
    with tempfile.TemporaryFile(buffering=0) as file:
        descriptor = file.fileno()
        with context.phase("prepare"):
            fill(descriptor, bytes(block), blocks)
            places = draw(event["place_seed"], 2 * operations, blocks)
        with context.phase("write"):
            written = write_at(descriptor, block, places[:operations], blocks)
        with context.phase("fsync"):
            os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # so that reading asks the disk, where it may
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        with context.phase("read"):
            read, stamps = read_at(descriptor, block_bytes, places[operations:])
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_NORMAL)
        with context.phase("verify"):
            file_crc = checksum(descriptor)
    return {
        "written_bytes": written,
        "read_bytes": read,
        "read_sha256": hashlib.sha256(b"".join(stamps)).hexdigest(),
        "file_crc32": file_crc,
    }
