"""Driver's side of pyaes: a second AES that has nothing in common with the first.

The function looks words up in tables, one block after the other. Here all blocks are encrypted at once: bit b of byte p
of all blocks is one large number, and the S-box is computed as the inverse in GF(2^8) that FIPS 197 defines it by.
https://doi.org/10.6028/NIST.FIPS.197-upd1 and, for counter mode, https://doi.org/10.6028/NIST.SP.800-38A
"""

from __future__ import annotations

import functools
import hashlib
import json

_ROUNDS = 10


def payload(parameters, rng, storage):
    """Return key and first counter block in hexadecimal, and what the message is drawn from."""
    return {
        "message_bytes": parameters["message_bytes"],
        "seed": rng.randbytes(16).hex(),
        "key": rng.randbytes(16).hex(),
        "counter": rng.randbytes(12).hex() + "00000000",
    }


def check(payload, output, storage):
    """Return None if length and the digests of the message and of what it was encrypted to are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=4)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    size = payload["message_bytes"]
    message = hashlib.shake_256(payload["seed"].encode()).digest(size)
    pad = keystream(bytes.fromhex(payload["key"]), bytes.fromhex(payload["counter"]), -(-size // 16))[:size]
    encrypted = (int.from_bytes(message, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    return {
        "encrypted_bytes": size,
        "encrypted_sha256": hashlib.sha256(encrypted).hexdigest(),
        "decrypted_sha256": hashlib.sha256(message).hexdigest(),
    }


def keystream(key, counter, blocks):
    """Return the encryption of `counter`, `counter + 1`, ... under a key of 16 bytes, 16 bytes for each of `blocks`.

    The last four bytes of `counter` must leave room to count: they do not carry into the others.
    """
    if blocks == 0:
        return b""
    ones = (1 << blocks) - 1
    state = _add_key(_counters(counter, blocks, ones), _round_key(key, 0), ones)
    for number in range(1, _ROUNDS + 1):
        state = [_substituted(byte, ones) for byte in state]
        state = [state[(5 * position) % 16] for position in range(16)]  # ShiftRows, columns one after the other
        if number < _ROUNDS:
            state = [byte for column in range(0, 16, 4) for byte in _mixed(state[column : column + 4])]
        state = _add_key(state, _round_key(key, number), ones)
    stream = bytearray(16 * blocks)
    for position, planes in enumerate(state):
        stream[position::16] = _joined(planes, blocks)
    return bytes(stream)


def _counters(counter, blocks, ones):
    """Return the bit planes of successive counter blocks: 16 bytes of 8 numbers, in which bit i belongs to block i."""
    first = int.from_bytes(counter[12:], "big")
    rows = b"".join((first + block).to_bytes(4, "big") for block in range(blocks))
    state = [[ones if byte >> bit & 1 else 0 for bit in range(8)] for byte in counter[:12]]
    return state + [_planes(rows[position::4]) for position in range(4)]


def _planes(column):
    """Return the 8 bit planes of a sequence of bytes."""
    backwards = column[::-1]  # int() reads the highest digit first
    return [int(backwards.translate(_DIGIT_OF_BIT[bit]), 2) for bit in range(8)]


_DIGIT_OF_BIT = [bytes(48 + (byte >> bit & 1) for byte in range(256)) for bit in range(8)]


def _joined(planes, blocks):
    """Return the sequence of bytes that bit planes stand for."""
    lanes = 0
    for bit, plane in enumerate(planes):
        digits = f"{plane:0{blocks}b}".encode().translate(_BIT_OF_DIGIT)
        lanes |= int.from_bytes(digits, "big") << bit
    return lanes.to_bytes(blocks, "little")


_BIT_OF_DIGIT = bytes(1 if byte == ord("1") else 0 for byte in range(256))


def _add_key(state, key, ones):
    return [
        [plane ^ ones if byte >> bit & 1 else plane for bit, plane in enumerate(planes)]
        for planes, byte in zip(state, key, strict=True)
    ]


def _doubled(byte):
    """Return a byte times x modulo x^8 + x^4 + x^3 + x + 1."""
    top = byte[7]
    return [top, byte[0] ^ top, byte[1], byte[2] ^ top, byte[3] ^ top, byte[4], byte[5], byte[6]]


def _product(left, right):
    """Return the product of two bytes in GF(2^8) by shift and add."""
    total = [0] * 8
    for bit in range(8):
        mask = right[bit]
        total = [sum_ ^ (plane & mask) for sum_, plane in zip(total, left, strict=True)]
        left = _doubled(left)
    return total


def _substituted(byte, ones):
    """Return the S-box of a byte: x^254, which is its inverse, and the affine map of FIPS 197, section 5.1.1."""
    inverse, power = None, byte
    for _ in range(7):  # 254 = 2 + 4 + 8 + ... + 128
        power = _product(power, power)
        inverse = power if inverse is None else _product(inverse, power)
    planes = []
    for bit in range(8):
        plane = ones if 0x63 >> bit & 1 else 0
        for shift in (0, 4, 5, 6, 7):
            plane ^= inverse[(bit + shift) % 8]
        planes.append(plane)
    return planes


def _mixed(column):
    """Return MixColumns of four bytes: 2 3 1 1 and its rotations."""
    mixed = []
    for row in range(4):
        first, second, third, fourth = (column[(row + shift) % 4] for shift in range(4))
        terms = zip(_doubled(first), _doubled(second), second, third, fourth, strict=True)
        mixed.append([a ^ b ^ c ^ d ^ e for a, b, c, d, e in terms])
    return mixed


@functools.lru_cache(maxsize=64)
def _round_key(key, number):
    """Return the 16 bytes of a round key (FIPS 197, section 5.2)."""
    if number == 0:
        return key
    before = _round_key(key, number - 1)
    constant = 1
    for _ in range(number - 1):
        constant = constant << 1 ^ (0x11B if constant & 0x80 else 0)
    word = [_substitute(byte) for byte in (*before[13:], before[12])]
    word[0] ^= constant
    expanded = []
    for column in range(0, 16, 4):
        word = [a ^ b for a, b in zip(word, before[column : column + 4], strict=True)]
        expanded += word
    return bytes(expanded)


@functools.lru_cache(maxsize=256)
def _substitute(byte):
    planes = _substituted([byte >> bit & 1 for bit in range(8)], 1)
    return sum(plane << bit for bit, plane in enumerate(planes))
