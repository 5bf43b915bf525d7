"""Driver's side of readdisk: draws the same blocks and adds their words, without a file."""

from __future__ import annotations

import functools
import json

_MASK = 0xFFFFFFFF
_STEP = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, odd: no two blocks are alike
_WAYS = ("direct", "dropped", "cached")


def payload(parameters, rng, storage):
    """Return size and number of blocks and of reads, the word of block 0, and a seed of the draws that is not 0."""
    block_bytes = parameters["block_kib"] * 1024
    return {
        "blocks": parameters["file_mib"] * 2**20 // block_bytes,
        "block_bytes": block_bytes,
        "reads": parameters["reads"],
        "seed": rng.getrandbits(64),
        "draw_seed": rng.randrange(1, 2**32),
    }


def check(payload, output, storage):
    """Return None if the blocks read are those asked for; how they are read is for the sandbox to say."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    if output["how"] not in _WAYS:
        return f"how is {output['how']!r}, expected one of {', '.join(_WAYS)}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    state, drawn, words = payload["draw_seed"], payload["reads"], 0
    for _ in range(drawn):
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        words += (payload["seed"] + state % payload["blocks"] * _STEP) % 2**64
    return {"read_bytes": drawn * payload["block_bytes"], "total": f"{words % 2**64:016x}"}
