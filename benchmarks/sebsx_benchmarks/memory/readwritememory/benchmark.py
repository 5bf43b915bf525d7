"""Driver's side of readwritememory: every byte read back is 0x42."""

from __future__ import annotations

_POSITIONS = 32


def payload(parameters, rng, storage):
    """Return size and number of the allocations, and where in them to read back in turn."""
    size = parameters["block_bytes"]
    positions = [rng.randrange(size) for _ in range(_POSITIONS)]
    return {"rounds": parameters["rounds"], "block_bytes": size, "positions": positions}


def check(payload, output, storage):
    """Return None if each allocation was written from end to end, and what was read back is what was written."""
    rounds = payload["rounds"]
    for name, expected in (("written_bytes", rounds * payload["block_bytes"]), ("total", rounds * 0x42)):
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None
