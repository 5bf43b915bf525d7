"""Driver's side of random-disk-io: notes only each block's last writer, and computes both checksums from that."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
import zlib

_MIB = 2**20


def payload(parameters, rng, storage):
    """Return sizes, number of operations, and seeds of pattern and places."""
    return {
        "blocks": max(1, parameters["file_mib"] * _MIB // parameters["block_bytes"]),
        "block_bytes": parameters["block_bytes"],
        "operations": parameters["operations"],
        "pattern_seed": rng.randbytes(16).hex(),
        "place_seed": rng.randbytes(16).hex(),
    }


def check(payload, output, storage):
    """Return None if all was written and read, and the file and what was read in passing are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    blocks, operations, size = payload["blocks"], payload["operations"], payload["block_bytes"]
    pattern = hashlib.shake_256(payload["pattern_seed"].encode()).digest(size)[8:]
    drawn = hashlib.shake_256(payload["place_seed"].encode()).digest(8 * operations)
    places = [number % blocks for (number,) in struct.iter_unpack("<I", drawn)]
    writers = list(range(blocks))
    for operation, place in enumerate(places[:operations], start=blocks):
        writers[place] = operation
    crc = 0
    for writer in writers:
        crc = zlib.crc32(_stamp(writer) + pattern, crc)
    return {
        "written_bytes": operations * size,
        "read_bytes": operations * size,
        "read_sha256": hashlib.sha256(b"".join(_stamp(writers[place]) for place in places[operations:])).hexdigest(),
        "file_crc32": f"{crc:08x}",
    }


def _stamp(number):
    return number.to_bytes(8, "little")
