"""Driver's side of chacha20: encrypts the sampled blocks again, in plain Python by RFC 8439."""

from __future__ import annotations

import functools
import hashlib
import json
import struct

_MASK = 0xFFFFFFFF
_BLOCK_BYTES = 64
_SAMPLES = 16
_COLUMNS_THEN_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip


def payload(parameters, rng, storage):
    """Return key, nonce, what the buffer repeats, and which block of which rounds is to be shown, the last one too."""
    rounds, buffer_bytes = parameters["rounds"], parameters["buffer_bytes"]
    shown = sorted({*rng.sample(range(rounds), min(_SAMPLES, rounds)), rounds - 1})
    blocks = buffer_bytes // _BLOCK_BYTES
    return {
        "rounds": rounds,
        "buffer_bytes": buffer_bytes,
        "key": rng.randbytes(32).hex(),
        "nonce": rng.randbytes(8).hex(),
        "block": rng.randbytes(_BLOCK_BYTES).hex(),
        "samples": [[number, rng.randrange(blocks) * _BLOCK_BYTES] for number in shown],
    }


def check(payload, output, storage):
    """Return None if all rounds were encrypted and the blocks shown are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    key, nonce, plain = (bytes.fromhex(payload[name]) for name in ("key", "nonce", "block"))
    digest = hashlib.sha256()
    for number, offset in payload["samples"]:
        stream = _key_stream(key, offset // _BLOCK_BYTES, number.to_bytes(4, "little") + nonce)
        digest.update(bytes(a ^ b for a, b in zip(stream, plain, strict=True)))
    return {"encrypted_bytes": payload["rounds"] * payload["buffer_bytes"], "samples_sha256": digest.hexdigest()}


def _key_stream(key, counter, nonce):
    """Return the 64 bytes of the key stream at a block counter (RFC 8439, section 2.3)."""
    state = struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce)
    working = list(state)
    for _ in range(10):
        for quarter in _COLUMNS_THEN_DIAGONALS:
            _quarter_round(working, *quarter)
    return struct.pack("<16I", *((a + b) & _MASK for a, b in zip(working, state, strict=True)))


def _quarter_round(words, a, b, c, d):
    for left, right, mixed, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        words[left] = (words[left] + words[right]) & _MASK
        turned = words[mixed] ^ words[left]
        words[mixed] = (turned << bits | turned >> 32 - bits) & _MASK
