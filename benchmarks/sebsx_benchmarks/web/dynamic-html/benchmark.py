"""Driver's side of dynamic-html: builds the expected page by string operations, without a template engine."""

from __future__ import annotations

import functools
import hashlib
import json
import struct

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


def payload(parameters, rng, storage):
    """Return greeting, number of values and a seed."""
    return {"username": parameters["username"], "count": parameters["count"], "seed": rng.randbytes(16).hex()}


def check(payload, output, storage):
    """Return None if number of items, length and digest of the page are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    username = payload["username"].translate(_ESCAPES)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        f"<head><title>Numbers for {username}</title></head>",
        "<body>",
        f"<h1>Hello, {username}!</h1>",
        "<ol>",
        *(f"<li>{value}</li>" for value in _values(payload["seed"], payload["count"])),
        "</ol>",
        "</body>",
        "</html>",
    ]
    page = "".join(f"{line}\n" for line in lines).encode()
    return {"items": payload["count"], "html_bytes": len(page), "html_sha256": hashlib.sha256(page).hexdigest()}


def _values(seed, count):
    """Yield `count` numbers below 1,000,000 from SHAKE-256."""
    for (number,) in struct.iter_unpack("<I", hashlib.shake_256(seed.encode()).digest(4 * count)):
        yield number % 1_000_000
