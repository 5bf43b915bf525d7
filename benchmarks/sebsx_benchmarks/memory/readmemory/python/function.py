"""Read a block of memory from end to end, again and again."""

from __future__ import annotations

import numpy as np

PIECE_WORDS = 2**15


def progression(count, first, factor):
    """Return `count` words, each `factor` larger than the one before, modulo 2**64.

    Piece by piece, so that each is computed in the cache: filling the block must not take as long as reading it often.
    """
    block = np.empty(count, dtype=np.uint64)
    steps = np.arange(min(count, PIECE_WORDS), dtype=np.uint64) * np.uint64(factor)
    for start in range(0, count, PIECE_WORDS):
        piece = block[start : start + PIECE_WORDS]
        np.add(steps[: len(piece)], np.uint64((first + start * factor) % 2**64), out=piece)
    return block


def handler(event, context):
    """Return how many bytes were read, and the sum of all 64-bit words read modulo 2**64 as hexadecimal digits."""
    words = event["block_mib"] * 2**20 // 8
    read_bytes = total = 0
    with context.phase("prepare"):
        block = progression(words, event["first"], event["factor"])
    with context.phase("compute"):
        for _ in range(event["reads"]):
            total += int(block.sum())
            read_bytes += block.nbytes
    return {"read_bytes": read_bytes, "total": format(total % 2**64, "016x")}
