"""Driver's side of uploader: uploads random bytes, and compares digests of what went in and what came out."""

from __future__ import annotations

import functools
import hashlib

_BLOCK_BYTES = 1 << 20


def payload(parameters, rng, storage):
    """Upload the object and return its key and where the copy goes."""
    full, rest = divmod(parameters["object_bytes"], _BLOCK_BYTES)
    data = b"".join([rng.randbytes(_BLOCK_BYTES) for _ in range(full)] + [rng.randbytes(rest)])
    prefix = f"uploader/{hashlib.sha256(data).hexdigest()[:16]}"
    storage.put(f"{prefix}/input.bin", data)
    return {"input_key": f"{prefix}/input.bin", "output_prefix": f"{prefix}/output/"}


def check(payload, output, storage):
    """Return None if the copy in the storage is the object, and the function said what it is."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"object {key!r} is not below {payload['output_prefix']!r}"
    try:
        data = storage.get(key)
    except KeyError:
        return f"object {key!r} is not in the storage"
    copied = (len(data), hashlib.sha256(data).hexdigest())
    expected = _expected(payload["input_key"], storage)
    if copied != expected:
        return f"object {key!r} has {copied[0]} bytes and digest {copied[1]}, expected {expected[0]} and {expected[1]}"
    if output["object_bytes"] != expected[0]:
        return f"object_bytes is {output['object_bytes']!r}, expected {expected[0]}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(key, storage):
    """Return size and digest of the object that went in, read back from the storage once."""
    data = storage.get(key)
    return len(data), hashlib.sha256(data).hexdigest()
