"""Driver's side of gzip: compresses the same text, and holds archives to the last byte where the library is the same.

Libraries that implement deflate find other matches at the same level. What a short sample shrinks to at each of the
nine levels tells whether the function's is the driver's own. Where it is not, the size of the archives must be about
right, and what they say of the length of the files exact.
"""

from __future__ import annotations

import functools
import hashlib
import json
import struct
import zlib

_MIB = 2**20
_TEXT_BYTES = 2**17
_SAMPLE_BYTES = 4096
_WORDS = 2048
_TAIL_BYTES = 64
_FRAME_BYTES = 18  # header and trailer of an archive (RFC 1952)
_TOLERANCE = 0.2  # of the size, where the library is another one


def payload(parameters, rng, storage):
    """Return number and size of the files, the level, and the words and the seed that the text is drawn from."""
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 8))) for _ in range(_WORDS)]
    return {**parameters, "words": words, "seed": rng.randbytes(16).hex()}


def check(payload, output, storage):
    """Return None if all files were compressed at the level asked for, and the archives hold what they should."""
    exact, sample = _expected(json.dumps(payload, sort_keys=True))
    found = output["sample_bytes"]
    if len(found) != len(sample) or not all(_about(*pair) for pair in zip(found, sample, strict=True)):
        return f"sample_bytes is {found!r}, expected about {sample!r}"
    if found != sample:  # another library: its archives are not ours
        if not _about(output["archive_bytes"], exact["archive_bytes"]):
            return f"archive_bytes is {output['archive_bytes']!r}, expected about {exact['archive_bytes']}"
        int(output["archives_crc32"], 16)
        exact = {"input_bytes": exact["input_bytes"]}
    for name, expected in exact.items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


def _about(found, expected):
    return abs(found - expected) <= _TOLERANCE * expected


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    """Return what the archives are to the last byte where the library is this one, and what a sample shrinks to."""
    payload = json.loads(canonical_payload)
    small = _text(payload["words"], payload["seed"])
    part = small * (_MIB // _TEXT_BYTES)
    size = payload["file_mib"] * _MIB
    # All files are alike but for their last bytes: what is alike is compressed once.
    packer = zlib.compressobj(payload["level"], zlib.DEFLATED, -zlib.MAX_WBITS)
    head, crc = [], 0
    for piece in [part] * (payload["file_mib"] - 1) + [part[:-_TAIL_BYTES]]:
        head.append(packer.compress(piece))
        crc = zlib.crc32(piece, crc)
    common, archives_crc, archive_bytes = b"".join(head), 0, 0
    for number in range(payload["files"]):
        line = b"\nfile %d\n" % number
        tail = part[-_TAIL_BYTES : -len(line)] + line
        last = packer.copy()
        packed = last.compress(tail) + last.flush()
        trailer = struct.pack("<II", zlib.crc32(tail, crc), size % 2**32)
        archives_crc = zlib.crc32(trailer, zlib.crc32(packed, zlib.crc32(common, archives_crc)))
        archive_bytes += len(common) + len(packed) + _FRAME_BYTES
    exact = {
        "input_bytes": payload["files"] * (size % 2**32),
        "archive_bytes": archive_bytes,
        "archives_crc32": f"{archives_crc:08x}",
    }
    return exact, [len(zlib.compress(small[:_SAMPLE_BYTES], level)) for level in range(1, 10)]


def _text(words, seed):
    """Return 128 KiB of the words that numbers from SHAKE-256 choose."""
    drawn = hashlib.shake_256(seed.encode()).digest(4 * (_TEXT_BYTES // 5))
    chosen = (words[number % len(words)] for (number,) in struct.iter_unpack("<I", drawn))
    return " ".join(chosen).encode()[:_TEXT_BYTES]
