"""Driver's side of sequential-disk-io: computes the checksums of the file without writing one."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib

_MIB = 2**20


def payload(parameters, rng, storage):
    """Return sizes in bytes, and what the pattern of the blocks is drawn from."""
    block_bytes = 1024 * parameters["block_kib"]
    return {
        "blocks": -(-parameters["file_mib"] * _MIB // block_bytes),
        "block_bytes": block_bytes,
        "passes": parameters["passes"],
        "seed": rng.randbytes(16).hex(),
    }


def check(payload, output, storage):
    """Return None if all bytes were written and read, and those read are the right ones in the right order."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    size = payload["block_bytes"]
    pattern = hashlib.shake_256(payload["seed"].encode()).digest(size)
    blocks, passes = payload["blocks"], payload["passes"]
    stamps_crc = file_crc = 0
    for number in range(blocks * passes):
        stamps_crc = zlib.crc32(number.to_bytes(8, "little"), stamps_crc)
    for number in range(blocks * (passes - 1), blocks * passes):
        file_crc = zlib.crc32(number.to_bytes(8, "little") + pattern[8:], file_crc)
    total = blocks * passes * size
    return {
        "written_bytes": total,
        "read_bytes": total,
        "stamps_crc32": f"{stamps_crc:08x}",
        "file_crc32": f"{file_crc:08x}",
    }
