"""Driver's side of gzip: computes the CRC-32 of the last file without writing it, and what 1 MiB of it shrinks to."""

from __future__ import annotations

import functools
import json
import zlib

_MASK = 0xFFFFFFFF
_MIB = 2**20
_TOLERANCE = 0.2  # implementations of deflate differ in what they find; the contents are held by the CRC


def payload(parameters, rng, storage):
    """Return number and size of the files, the level, and a seed that is not 0."""
    return {**parameters, "seed": rng.randrange(1, 2**32)}


def check(payload, output, storage):
    """Return None if all files were compressed, to about the size expected, and the last holds what it should."""
    shrunk_mib_bytes, crc = _expected(json.dumps(payload, sort_keys=True))
    mib = payload["files"] * payload["file_mib"]
    for name, expected in (("input_bytes", mib * _MIB), ("crc32", f"{crc:08x}")):
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    expected = mib * shrunk_mib_bytes
    if not abs(output["archive_bytes"] - expected) <= _TOLERANCE * expected:
        return f"archive_bytes is {output['archive_bytes']!r}, expected about {expected}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    """Return what 1 MiB shrinks to in bytes, and the CRC-32 of the last file."""
    payload = json.loads(canonical_payload)
    part = _text(payload["seed"])
    line = b"file %d\n" % (payload["files"] - 1)
    crc = zlib.crc32(line)
    for _ in range(payload["file_mib"] - 1):
        crc = zlib.crc32(part, crc)
    return len(zlib.compress(part, payload["level"])), zlib.crc32(part[: _MIB - len(line)], crc)


def _text(seed):
    """Return 1 MiB of words: 2,048 of 2 to 8 letters from a to p, four bits of a draw each, then draws of words."""
    numbers = _xorshift32(seed)
    words = []
    for _ in range(2048):
        number = next(numbers)
        words.append(bytes(ord("a") + (number >> 4 * place & 15) for place in range(2 + number % 7)))
    drawn, size = [], 0
    while size < _MIB:
        drawn.append(words[next(numbers) % 2048])
        size += len(drawn[-1]) + 1
    return b" ".join([*drawn, b""])[:_MIB]


def _xorshift32(state):
    """Yield xorshift32 numbers without end (Marsaglia 2003, shifts 13, 17, 5)."""
    while True:
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state
