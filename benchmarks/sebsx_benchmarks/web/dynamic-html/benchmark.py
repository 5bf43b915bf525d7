"""Driver's side of dynamic-html: builds the expected page by string operations, without a template engine."""

from __future__ import annotations

import functools
import hashlib
import json

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})
_MASK = 0xFFFFFFFF


def payload(parameters, rng, storage):
    """Return greeting, number of values and a seed that is not 0."""
    return {"username": parameters["username"], "count": parameters["count"], "seed": rng.randrange(1, 2**32)}


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
    """Yield `count` numbers below 1,000,000 from xorshift32 (Marsaglia 2003, shifts 13, 17, 5)."""
    state = seed
    for _ in range(count):
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state % 1_000_000
