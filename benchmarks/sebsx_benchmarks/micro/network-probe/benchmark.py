"""Driver's side of network-probe: uploads the object, and looks at what the function left of it."""

from __future__ import annotations

import functools
import hashlib
import math


def payload(parameters, rng, storage):
    """Upload the object and return its key, where copies go, and the number of round trips."""
    data = rng.randbytes(parameters["object_bytes"])
    prefix = f"network-probe/{hashlib.sha256(data).hexdigest()[:16]}"
    storage.put(f"{prefix}/input.bin", data)
    return {
        "input_key": f"{prefix}/input.bin",
        "output_prefix": f"{prefix}/output/",
        "round_trips": parameters["round_trips"],
    }


def check(payload, output, storage):
    """Return None if every round trip has its two times, and the object in the storage is the one sent."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"object {key!r} is not below {payload['output_prefix']!r}"
    try:
        data = storage.get(key)
    except KeyError:
        return f"object {key!r} is not in the storage"
    if hashlib.sha256(data).digest() != _digest(payload["input_key"], storage):
        return f"object {key!r} with {len(data)} bytes is not the one that was to be sent"
    if output["intact"] != payload["round_trips"]:
        return f"intact is {output['intact']!r}, expected {payload['round_trips']}"
    for name in ("upload_s", "download_s"):
        if len(output[name]) != payload["round_trips"]:
            return f"{name} has {len(output[name])} times, expected {payload['round_trips']}"
        for value in output[name]:
            if not (value > 0 and math.isfinite(value)):
                return f"{name} has {value!r}, which is not a duration"
    return None


@functools.lru_cache(maxsize=8)
def _digest(key, storage):
    return hashlib.sha256(storage.get(key)).digest()
