"""Driver's side of long-chain: walks the chain in a loop, writing each state by string operations."""

from __future__ import annotations

import functools
import hashlib
import json

_MODULUS = 1_000_003
_FIRST = "0" * 64


def payload(parameters, rng, storage):
    """Return the number of stages and the items that the first one gets."""
    return {
        "stages": parameters["stages"],
        "items": [rng.randrange(_MODULUS) for _ in range(parameters["items"])],
    }


def check(payload, output, storage):
    """Return None if count, sum, length and digest of the last state are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=4)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    items, digest = payload["items"], _FIRST
    text = _state(items, digest, 0)
    for stage in range(1, payload["stages"] + 1):
        items = [(31 * item + stage) % _MODULUS for item in items]
        digest = hashlib.sha256(text).hexdigest()
        text = _state(items, digest, stage)
    return {
        "stages": payload["stages"],
        "total": sum(items),
        "state_bytes": len(text),
        "state_sha256": hashlib.sha256(text).hexdigest(),
    }


def _state(items, digest, stage):
    numbers = ",".join(map(str, items))
    return f'{{"items":[{numbers}],"previous_sha256":"{digest}","stage":{stage}}}'.encode()
