"""Driver's side of random-disk-io: notes only each block's last writer, and computes both digests from that."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json

_MASK = 0xFFFFFFFF
_MIB = 2**20


def payload(parameters, rng, storage):
    """Return sizes, number of operations, and seeds of pattern and places that are not 0."""
    return {
        "blocks": max(1, parameters["file_mib"] * _MIB // parameters["block_bytes"]),
        "block_bytes": parameters["block_bytes"],
        "operations": parameters["operations"],
        "pattern_seed": rng.randbytes(16).hex(),
        "place_seed": rng.randrange(1, 2**32),
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
    places = [number % blocks for number in itertools.islice(_xorshift32(payload["place_seed"]), 2 * operations)]
    writers = list(range(blocks))
    for operation, place in enumerate(places[:operations], start=blocks):
        writers[place] = operation
    return {
        "written_bytes": operations * size,
        "read_bytes": operations * size,
        "read_sha256": _digest((writers[place] for place in places[operations:]), b""),
        "file_sha256": _digest(writers, pattern),
    }


def _digest(numbers, rest):
    digest = hashlib.sha256()
    for number in numbers:
        digest.update(number.to_bytes(8, "little") + rest)
    return digest.hexdigest()


def _xorshift32(state):
    """Yield xorshift32 numbers without end (Marsaglia 2003, shifts 13, 17, 5)."""
    while True:
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state
