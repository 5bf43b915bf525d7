"""Read a block of memory from end to end, again and again."""

from __future__ import annotations

import numpy as np


def handler(event, context):
    """Return how many bytes were read, and the sum of all 64-bit words read modulo 2**64 as hexadecimal digits."""
    words = event["block_mib"] * 2**20 // 8
    read_bytes = total = 0
    with context.phase("prepare"):
        block = np.arange(words, dtype=np.uint64)
        block *= np.uint64(event["factor"])
        block += np.uint64(event["first"])
    with context.phase("compute"):
        for _ in range(event["reads"]):
            total += int(block.sum())
            read_bytes += block.nbytes
    return {"read_bytes": read_bytes, "total": format(total % 2**64, "016x")}
