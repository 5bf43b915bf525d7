"""AES-128 in counter mode (FIPS 197, SP 800-38A) in pure Python, with tables of 32-bit words."""

from __future__ import annotations

import hashlib
import struct


def _tables():
    """Return the S-box, and four tables that join SubBytes and MixColumns for one byte of each row."""
    power, logarithm = [0] * 256, [0] * 256
    value = 1
    for exponent in range(255):
        power[exponent] = value
        logarithm[value] = exponent
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)  # times 3, which generates the field
    box = []
    for byte in range(256):
        inverse = power[(255 - logarithm[byte]) % 255] if byte else 0
        doubled = inverse * 0x0101
        rotated = inverse ^ (doubled >> 4) ^ (doubled >> 5) ^ (doubled >> 6) ^ (doubled >> 7)
        box.append((rotated ^ 0x63) & 0xFF)
    tables = [[], [], [], []]
    for byte in box:
        twice = (byte << 1) ^ (0x11B if byte & 0x80 else 0)
        word = (twice << 24) | (byte << 16) | (byte << 8) | (twice ^ byte)
        for table in tables:
            table.append(word)
            word = (word >> 8) | ((word & 0xFF) << 24)
    return box, tables


BOX, (TABLE_0, TABLE_1, TABLE_2, TABLE_3) = _tables()


def expand_key(key):
    """Return the 44 words of the key schedule for a key of 16 bytes."""
    words = list(struct.unpack(">4I", key))
    constant = 1
    for index in range(4, 44):
        word = words[-1]
        if index % 4 == 0:
            word = ((word << 8) | (word >> 24)) & 0xFFFFFFFF
            word = (
                (BOX[word >> 24] ^ constant) << 24
                | BOX[word >> 16 & 255] << 16
                | BOX[word >> 8 & 255] << 8
                | BOX[word & 255]
            )
            constant = (constant << 1) ^ (0x11B if constant & 0x80 else 0)
        words.append(words[index - 4] ^ word)
    return words


def encrypt_block(words, block):
    """Return 16 bytes encrypted under an expanded key."""
    a, b, c, d = struct.unpack(">4I", block)
    a, b, c, d = a ^ words[0], b ^ words[1], c ^ words[2], d ^ words[3]
    for at in range(4, 40, 4):
        a, b, c, d = (
            TABLE_0[a >> 24] ^ TABLE_1[b >> 16 & 255] ^ TABLE_2[c >> 8 & 255] ^ TABLE_3[d & 255] ^ words[at],
            TABLE_0[b >> 24] ^ TABLE_1[c >> 16 & 255] ^ TABLE_2[d >> 8 & 255] ^ TABLE_3[a & 255] ^ words[at + 1],
            TABLE_0[c >> 24] ^ TABLE_1[d >> 16 & 255] ^ TABLE_2[a >> 8 & 255] ^ TABLE_3[b & 255] ^ words[at + 2],
            TABLE_0[d >> 24] ^ TABLE_1[a >> 16 & 255] ^ TABLE_2[b >> 8 & 255] ^ TABLE_3[c & 255] ^ words[at + 3],
        )
    rows = (a, b, c, d)
    last = []
    for column in range(4):
        word = (
            BOX[rows[column] >> 24] << 24
            | BOX[rows[(column + 1) % 4] >> 16 & 255] << 16
            | BOX[rows[(column + 2) % 4] >> 8 & 255] << 8
            | BOX[rows[(column + 3) % 4] & 255]
        )
        last.append(word ^ words[40 + column])
    return struct.pack(">4I", *last)


def counter_mode(key, counter, data):
    """Return data combined with the encrypted counters; the same call encrypts and decrypts."""
    words = expand_key(key)
    first = int.from_bytes(counter, "big")
    out = []
    for start in range(0, len(data), 16):
        number = (first + start // 16) % (1 << 128)
        pad = encrypt_block(words, number.to_bytes(16, "big"))
        piece = data[start : start + 16]
        mixed = int.from_bytes(piece, "big") ^ int.from_bytes(pad[: len(piece)], "big")
        out.append(mixed.to_bytes(len(piece), "big"))
    return b"".join(out)


def handler(event, context):
    """Encrypt and decrypt the message; return its length and the SHA-256 of both results."""
    key, counter = bytes.fromhex(event["key"]), bytes.fromhex(event["counter"])
    with context.phase("generate"):
        message = hashlib.shake_256(event["seed"].encode()).digest(event["message_bytes"])
    with context.phase("encrypt"):
        encrypted = counter_mode(key, counter, message)
    with context.phase("decrypt"):
        decrypted = counter_mode(key, counter, encrypted)
    return {
        "encrypted_bytes": len(encrypted),
        "encrypted_sha256": hashlib.sha256(encrypted).hexdigest(),
        "decrypted_sha256": hashlib.sha256(decrypted).hexdigest(),
    }
