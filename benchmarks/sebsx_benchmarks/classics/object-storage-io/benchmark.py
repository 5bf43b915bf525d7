"""Driver's side of object-storage-io: uploads random objects, and compares the copies with them byte by byte."""

from __future__ import annotations

import functools
import hashlib


def payload(parameters, rng, storage):
    """Upload the objects and return their keys and where the copies go.

    The prefix is a digest of the contents: equal keys mean equal bytes, whoever uploads them.
    """
    contents = [rng.randbytes(1024 * parameters["object_kib"]) for _ in range(parameters["objects"])]
    prefix = f"object-storage-io/{hashlib.sha256(b''.join(contents)).hexdigest()[:16]}-{len(contents)}"
    names = [f"{number:04}.bin" for number in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        storage.put(f"{prefix}/input/{name}", content)
    return {"input_prefix": f"{prefix}/input/", "names": names, "output_prefix": f"{prefix}/output/"}


def check(payload, output, storage):
    """Return None if the index lists every object, and every copy equals its original."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"index {key!r} is not below {payload['output_prefix']!r}"
    folder, names = key.removesuffix(".index"), tuple(payload["names"])
    total, lines = _expected(payload["input_prefix"], names, storage)
    for name, expected in (("downloaded_bytes", total), ("uploaded_bytes", total), ("objects", len(names))):
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    try:
        if storage.get(key) != lines:
            return f"index {key!r} does not list the objects that were uploaded"
        for name in names:
            if storage.get(f"{folder}/{name}") != storage.get(payload["input_prefix"] + name):
                return f"object {name!r} below {folder!r} is not a copy of the one that was uploaded"
    except KeyError as exc:
        return f"object {exc.args[0]!r} is not in the storage"
    return None


@functools.lru_cache(maxsize=8)
def _expected(prefix, names, storage):
    """Return the bytes of all objects, and the index: length and name of each, one a line."""
    total, lines = 0, []
    for name in names:
        content = storage.get(prefix + name)
        total += len(content)
        lines.append(f"{len(content)} {name}\n")
    return total, "".join(lines).encode()
