"""Driver's side of dd: computes the checksum of the copy from the places it starts at."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib

_MOST_SKIPPED = 64


def payload(parameters, rng, storage):
    """Return what dd calls bs, count, skip and seek, and what the pattern of the file is drawn from."""
    return {
        "block_bytes": parameters["block_bytes"],
        "count": parameters["count"],
        "copies": parameters["copies"],
        "skip": rng.randrange(_MOST_SKIPPED),
        "seek": rng.randrange(_MOST_SKIPPED),
        "seed": rng.randbytes(16).hex(),
    }


def check(payload, output, storage):
    """Return None if records, bytes and checksum of the copy are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    size, count, skip = payload["block_bytes"], payload["count"], payload["skip"]
    pattern = hashlib.shake_256(payload["seed"].encode()).digest(size)[8:]
    crc = zlib.crc32(bytes(payload["seek"] * size) if count else b"")  # what nothing was written to reads as 0
    for number in range(skip, skip + count):
        crc = zlib.crc32(number.to_bytes(8, "little") + pattern, crc)
    records = count * payload["copies"]
    return {"records_in": records, "records_out": records, "copied_bytes": records * size, "copy_crc32": f"{crc:08x}"}
