"""Encrypt a buffer again and again with ChaCha20 of OpenSSL."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms


def handler(event, context):
    """Return how many bytes were encrypted, and the SHA-256 of the blocks asked for.

    Round r encrypts the whole buffer from block 0; its nonce is r as 32 bits, little-endian, and the given 8 bytes.
    """
    key = bytes.fromhex(event["key"])
    nonce = bytes.fromhex(event["nonce"])
    buffer_bytes = event["buffer_bytes"]
    block = bytes.fromhex(event["block"])
    plain = (block * (buffer_bytes // len(block) + 1))[:buffer_bytes]
    cipher_text = bytearray(buffer_bytes)
    samples = dict(event["samples"])
    digest = hashlib.sha256()
    encrypted_bytes = 0
    with context.phase("compute"):
        for number in range(event["rounds"]):
            start = bytes(4) + number.to_bytes(4, "little") + nonce
            encryptor = Cipher(algorithms.ChaCha20(key, start), mode=None).encryptor()
            encrypted_bytes += encryptor.update_into(plain, cipher_text)
            if number in samples:
                offset = samples[number]
                digest.update(cipher_text[offset : offset + 64])
    return {"encrypted_bytes": encrypted_bytes, "samples_sha256": digest.hexdigest()}
