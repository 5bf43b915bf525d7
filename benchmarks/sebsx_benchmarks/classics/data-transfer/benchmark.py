"""Driver's side of data-transfer: sends random text, and compares what comes back with it character by character."""

from __future__ import annotations

import base64
import hashlib

_BYTES_PER_KIB = 768  # of which Base64 makes 1024 characters


def payload(parameters, rng, storage):
    """Return random text that does not compress and needs no escapes in JSON."""
    return {"data": base64.b64encode(rng.randbytes(_BYTES_PER_KIB * parameters["payload_kib"])).decode()}


def check(payload, output, storage):
    """Return None if length and digest are those of what was sent, and the data came back reversed."""
    data = payload["data"]
    expected = {"received_bytes": len(data), "received_sha256": hashlib.sha256(data.encode()).hexdigest()}
    for name, value in expected.items():
        if output[name] != value:
            return f"{name} is {output[name]!r}, expected {value!r}"
    if "".join(reversed(output["data"])) != data:
        return f"data of {len(output['data'])} characters is not what was sent, reversed"
    return None
