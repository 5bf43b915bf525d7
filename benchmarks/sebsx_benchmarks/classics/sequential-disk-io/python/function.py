"""Write a file from start to end, flush it, and read it from start to end."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile


def write_blocks(descriptor, seed, blocks, block_bytes):
    """Write blocks of one pattern, each with its number in the first 8 bytes; return how many bytes were written."""
    block = bytearray(hashlib.shake_256(seed.encode()).digest(block_bytes))
    written = 0
    for number in range(blocks):
        struct.pack_into("<Q", block, 0, number)
        written += os.write(descriptor, block)
    return written


def read_blocks(descriptor, block_bytes, use):
    """Read to the end of the file and give every piece to `use`; return how many bytes were read."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    total = 0
    while True:
        piece = os.read(descriptor, block_bytes)
        if not piece:
            return total
        use(piece)
        total += len(piece)


def handler(event, context):
    """Return the bytes written and read, and the SHA-256 of what the file holds."""
    block_bytes = event["block_bytes"]
    with tempfile.TemporaryFile(buffering=0) as file:
        descriptor = file.fileno()
        with context.phase("write"):
            written = write_blocks(descriptor, event["seed"], event["blocks"], block_bytes)
        with context.phase("fsync"):
            os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # so that reading asks the disk, where it may
        with context.phase("read"):
            read = read_blocks(descriptor, block_bytes, len)
        digest = hashlib.sha256()
        with context.phase("verify"):
            read_blocks(descriptor, block_bytes, digest.update)
    return {"written_bytes": written, "read_bytes": read, "read_sha256": digest.hexdigest()}
