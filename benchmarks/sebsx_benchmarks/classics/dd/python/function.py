"""Copy a file as `dd bs=... count=... skip=... seek=... conv=fsync` does."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile


def make_source(descriptor, seed, blocks, block_bytes):
    """Write blocks of one pattern, each with its number in the first 8 bytes, and flush them."""
    block = bytearray(hashlib.shake_256(seed.encode()).digest(block_bytes))
    for number in range(blocks):
        struct.pack_into("<Q", block, 0, number)
        os.write(descriptor, block)
    os.fsync(descriptor)


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


def digest_of(descriptor):
    """Return the SHA-256 of a file."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while True:
        piece = os.read(descriptor, 65536)
        if not piece:
            return digest.hexdigest()
        digest.update(piece)


def handler(event, context):
    """Return records, bytes copied, and the SHA-256 of the copy."""
    block_bytes, count, skip = event["block_bytes"], event["count"], event["skip"]
    with tempfile.TemporaryFile(buffering=0) as source_file, tempfile.TemporaryFile(buffering=0) as target_file:
        source, target = source_file.fileno(), target_file.fileno()
        with context.phase("prepare"):
            make_source(source, event["seed"], skip + count, block_bytes)
        with context.phase("copy"):
            os.lseek(source, skip * block_bytes, os.SEEK_SET)
            os.lseek(target, event["seek"] * block_bytes, os.SEEK_SET)
            records_in, records_out, copied = copy(source, target, block_bytes, count)
        with context.phase("fsync"):
            os.fsync(target)
        with context.phase("verify"):
            digest = digest_of(target)
    return {"records_in": records_in, "records_out": records_out, "copied_bytes": copied, "copy_sha256": digest}
