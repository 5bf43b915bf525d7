"""Write a file from start to end, flush it, and read it from start to end, again and again."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
import zlib


def write_blocks(descriptor, block, first, count):
    """Write so many blocks from the start, each with its number in the first 8 bytes; return the bytes written."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    written = 0
    for number in range(first, first + count):
        struct.pack_into("<Q", block, 0, number)
        written += os.write(descriptor, block)
    return written


def read_blocks(descriptor, block_bytes):
    """Read to the end of the file; return how many bytes were read, and the first 8 of every piece."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    total, stamps = 0, []
    while True:
        piece = os.read(descriptor, block_bytes)
        if not piece:
            return total, stamps
        total += len(piece)
        stamps.append(piece[:8])


def checksum(descriptor):
    """Return the CRC-32 of a file as hexadecimal digits."""
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as contents:
        return format(zlib.crc32(contents), "08x")


def handler(event, context):
    """Return the bytes written and read, and the CRC-32 of the blocks' numbers as read in all passes, and of the file.

    Blocks are numbered through all passes, so that each pass writes another file.
    """
    block_bytes, blocks = event["block_bytes"], event["blocks"]
    block = bytearray(hashlib.shake_256(event["seed"].encode()).digest(block_bytes))
    written = read = stamps_crc = 0
    with tempfile.TemporaryFile(buffering=0) as file:
        descriptor = file.fileno()
        for number in range(event["passes"]):
            with context.phase("write"):
                written += write_blocks(descriptor, block, number * blocks, blocks)
            with context.phase("fsync"):
                os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # so that reading asks the disk, where it may
            with context.phase("read"):
                found, stamps = read_blocks(descriptor, block_bytes)
            read += found
            stamps_crc = zlib.crc32(b"".join(stamps), stamps_crc)
        with context.phase("verify"):
            file_crc = checksum(descriptor)
    return {
        "written_bytes": written,
        "read_bytes": read,
        "stamps_crc32": format(stamps_crc, "08x"),
        "file_crc32": file_crc,
    }
