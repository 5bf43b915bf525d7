"""Write and read blocks at random places of a file."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile


class Places:
    """Random places in a file, from xorshift32 with shifts 13, 17, 5, which every language can draw."""

    def __init__(self, seed, blocks):
        self._state = seed
        self._blocks = blocks

    def draw(self, count):
        """Return the numbers of `count` blocks."""
        places = []
        x = self._state
        for _ in range(count):
            x ^= (x << 13) & 0xFFFFFFFF
            x ^= x >> 17
            x ^= (x << 5) & 0xFFFFFFFF
            places.append(x % self._blocks)
        self._state = x
        return places


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


def digest_of(descriptor, block_bytes):
    """Return the SHA-256 of the file."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while True:
        piece = os.read(descriptor, block_bytes)
        if not piece:
            return digest.hexdigest()
        digest.update(piece)


def handler(event, context):
    """Return bytes written and read, and the SHA-256 of the stamps read and of the whole file."""
    blocks, block_bytes, operations = event["blocks"], event["block_bytes"], event["operations"]
    block = bytearray(hashlib.shake_256(event["pattern_seed"].encode()).digest(block_bytes))
    with tempfile.TemporaryFile(buffering=0) as file:
        descriptor = file.fileno()
        with context.phase("prepare"):
            write_at(descriptor, block, range(blocks), 0)
            os.fsync(descriptor)
            places = Places(event["place_seed"], blocks)
            written_places, read_places = places.draw(operations), places.draw(operations)
        with context.phase("write"):
            written = write_at(descriptor, block, written_places, blocks)
        with context.phase("fsync"):
            os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # so that reading asks the disk, where it may
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        with context.phase("read"):
            read, stamps = read_at(descriptor, block_bytes, read_places)
        with context.phase("verify"):
            file_digest = digest_of(descriptor, max(block_bytes, 65536))
    return {
        "written_bytes": written,
        "read_bytes": read,
        "read_sha256": hashlib.sha256(b"".join(stamps)).hexdigest(),
        "file_sha256": file_digest,
    }
